/* codecs.h - the codec registry beyond codecs.h of the C API.
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_RUNTIME_CODECS_H
#define NJ_RUNTIME_CODECS_H

#include "nj.h"

/* Like PyCodec_Encode and PyCodec_Decode, but LookupError unless the codec is a text
 * encoding. alternate is what the message recommends instead. */
PyObject *nj_codec_encode_text(PyObject *obj, const char *encoding, const char *errors);
PyObject *nj_codec_decode_text(PyObject *obj, const char *encoding, const char *errors);
/* The CodecInfo of a text encoding, new reference (io wants it). */
PyObject *nj_codec_lookup_text(const char *encoding, const char *alternate);
/* codecs.lookup(encoding): new reference. */
PyObject *nj_codec_lookup(const char *encoding);
NJ_MUST int nj_codec_unregister_error(const char *name);

#endif
