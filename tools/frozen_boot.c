/* frozen_boot.c - the frozen modules of the build's first stage: those without which
 * nothing can be imported, compiled from the library's source at each start.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "runtime/frozen.h"

const NjFrozen nj_frozen_table[] = {
    {"_frozen_importlib", "importlib._bootstrap", false, false, NULL, 0},
    {"_frozen_importlib_external", "importlib._bootstrap_external", false, false, NULL, 0},
    {"zipimport", "zipimport", false, false, NULL, 0},
    {NULL, NULL, false, false, NULL, 0},
};

static const struct _frozen nothing[] = {{NULL, NULL, 0, 0}};
const struct _frozen *_PyImport_FrozenBootstrap = nothing;
const struct _frozen *_PyImport_FrozenStdlib = nothing;
const struct _frozen *_PyImport_FrozenTest = nothing;
