/* perf_map.c - PyUnstable_PerfMap*: the /tmp/perf-PID.map file for profilers.
 *
 * One file per process, hence the only mutable statics of this folder, guarded by a lock.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static pthread_mutex_t perf_lock = PTHREAD_MUTEX_INITIALIZER;
static FILE *perf_file;

static int
open_locked(void)
{
    if (perf_file != NULL) {
        return 0;
    }
    char name[64];
    snprintf(name, sizeof(name), "/tmp/perf-%ld.map", (long)getpid());
    int fd = open(name, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return -1;
    }
    perf_file = fdopen(fd, "a");
    if (perf_file == NULL) {
        close(fd);
        return -2;
    }
    return 0;
}

int
PyUnstable_PerfMapState_Init(void)
{
    pthread_mutex_lock(&perf_lock);
    int rc = open_locked();
    pthread_mutex_unlock(&perf_lock);
    return rc;
}

int
PyUnstable_WritePerfMapEntry(const void *addr, unsigned int size, const char *name)
{
    pthread_mutex_lock(&perf_lock);
    int rc = open_locked();
    if (rc == 0) {
        fprintf(perf_file, "%lx %x %s\n", (unsigned long)(uintptr_t)addr, size, name);
        fflush(perf_file);
    }
    pthread_mutex_unlock(&perf_lock);
    return rc;
}

void
PyUnstable_PerfMapState_Fini(void)
{
    pthread_mutex_lock(&perf_lock);
    if (perf_file != NULL) {
        fclose(perf_file);
        perf_file = NULL;
    }
    pthread_mutex_unlock(&perf_lock);
}

int
PyUnstable_CopyPerfMapFile(const char *parent_filename)
{
    FILE *from = fopen(parent_filename, "r");
    if (from == NULL) {
        return -1;
    }
    pthread_mutex_lock(&perf_lock);
    int rc = open_locked();
    char buf[4096];
    size_t n;
    while (rc == 0 && (n = fread(buf, 1, sizeof(buf), from)) > 0) {
        if (fwrite(buf, 1, n, perf_file) != n) {
            rc = -1;
        }
    }
    if (rc == 0) {
        fflush(perf_file);
    }
    pthread_mutex_unlock(&perf_lock);
    fclose(from);
    return rc;
}
