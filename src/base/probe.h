/* Static probes: places in the code that SystemTap, perf, bpftrace and gdb find by name.
 *
 * A place is a nop and a note of the section .note.stapsdt, which says where the place and
 * its arguments are ("8@%0" is 8 bytes, unsigned, in operand 0; "-4@%1" 4 bytes, signed). A
 * tracer raises the probe's counter while it looks: arguments are computed only then. The
 * provider is `python', names and arguments are those that the manual lists.
 */
#ifndef NJ_PROBE_H
#define NJ_PROBE_H

#include "nj.h"

/* the counter: defined in one file for each name, declared where others ask for it */
#define NJ_PROBE_DECLARE(name)                                                         \
    extern __attribute__((visibility("hidden"))) volatile unsigned short nj_probe_##name
#define NJ_PROBE_DEFINE(name)                                                          \
    NJ_PROBE_DECLARE(name);                                                            \
    __attribute__((used, section(".probes"))) volatile unsigned short nj_probe_##name

#define NJ_PROBE_ON(name) NJ_UNLIKELY(nj_probe_##name)

/* arguments: the text of the note, then the operands as of an asm statement */
#define NJ_PROBE(name, arguments, ...)                                                 \
    __asm__ volatile("990: nop\n"                                                      \
                     ".pushsection .note.stapsdt, \"?\", \"note\"\n"                   \
                     ".balign 4\n"                                                     \
                     ".4byte 992f - 991f, 994f - 993f, 3\n"                            \
                     "991: .asciz \"stapsdt\"\n"                                       \
                     "992: .balign 4\n"                                                \
                     "993: .8byte 990b, _.stapsdt.base, nj_probe_" #name "\n"          \
                     ".asciz \"python\"\n"                                             \
                     ".asciz \"" #name "\"\n"                                          \
                     ".asciz \"" arguments "\"\n"                                      \
                     "994: .balign 4\n"                                                \
                     ".popsection\n"                                                   \
                     ".ifndef _.stapsdt.base\n"                                        \
                     ".pushsection .stapsdt.base, \"aG\", \"progbits\", "              \
                     ".stapsdt.base, comdat\n"                                         \
                     ".weak _.stapsdt.base\n"                                          \
                     ".hidden _.stapsdt.base\n"                                        \
                     "_.stapsdt.base: .space 1\n"                                      \
                     ".size _.stapsdt.base, 1\n"                                       \
                     ".popsection\n"                                                   \
                     ".endif\n" ::__VA_ARGS__)

#endif
