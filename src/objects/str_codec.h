/* str_codec.h - what the codec files share: error handling around a decoder or encoder.
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_OBJECTS_STR_CODEC_H
#define NJ_OBJECTS_STR_CODEC_H

#include "objects/str_int.h"

typedef enum {
    NJ_ERR_STRICT,
    NJ_ERR_SURROGATEESCAPE,
    NJ_ERR_REPLACE,
    NJ_ERR_IGNORE,
    NJ_ERR_OTHER, /* whatever the registry has under that name */
} NjErrorMode;

NjErrorMode nj_error_mode(const char *errors);

/* A decoder at work: bytes in, characters out. */
typedef struct NjDecoder {
    NjStrWriter w;
    const char *encoding;
    const char *errors;
    NjErrorMode mode;
    const unsigned char *start, *end; /* input; a handler may replace it */
    PyObject *handler;                /* looked up at the first error, owned */
    PyObject *exc;                    /* UnicodeDecodeError, reused, owned */
} NjDecoder;

void nj_decoder_init(NjDecoder *d, const char *encoding, const char *errors,
                     const void *data, Py_ssize_t size);
/* The bytes [from, to) are bad: asks the handler, writes the replacement, and sets *pos to
 * where decoding goes on. d->start and d->end may have moved. */
NJ_MUST int nj_decoder_error(NjDecoder *d, Py_ssize_t from, Py_ssize_t to,
                             const char *reason, Py_ssize_t *pos);
PyObject *nj_decoder_finish(NjDecoder *d);
void nj_decoder_clear(NjDecoder *d);

/* An encoder at work: characters in, bytes out. */
typedef struct NjEncoder {
    PyObject *str; /* borrowed */
    const char *encoding;
    const char *errors;
    NjErrorMode mode;
    PyObject *handler; /* owned */
    PyObject *exc;     /* owned */
    PyObject *out;     /* bytes under construction, owned */
    Py_ssize_t n;      /* bytes written */
} NjEncoder;

NJ_MUST int nj_encoder_init(NjEncoder *e, PyObject *s, const char *encoding,
                            const char *errors, Py_ssize_t size);
/* Room for n more bytes; the place to write them, or NULL. */
unsigned char *nj_encoder_room(NjEncoder *e, Py_ssize_t n);
/* The characters [from, to) cannot be encoded. The replacement comes back as *rep (str or
 * bytes, new reference) and *pos is where encoding goes on. */
NJ_MUST int nj_encoder_error(NjEncoder *e, Py_ssize_t from, Py_ssize_t to,
                             const char *reason, PyObject **rep, Py_ssize_t *pos);
PyObject *nj_encoder_finish(NjEncoder *e);
void nj_encoder_clear(NjEncoder *e);
NJ_MUST int nj_encoder_bytes(NjEncoder *e, const void *p, Py_ssize_t n);
/* Raises the UnicodeEncodeError of nj_encoder_error with errors = strict. */
void nj_encoder_raise(NjEncoder *e, Py_ssize_t from, Py_ssize_t to, const char *reason);

PyObject *nj_encode_utf8(PyObject *s, const char *errors);
PyObject *nj_encode_latin1(PyObject *s, const char *errors);
PyObject *nj_encode_ascii(PyObject *s, const char *errors);
/* byteorder: -1 little, 1 big, 0 native with a mark */
PyObject *nj_encode_utf16(PyObject *s, const char *errors, int byteorder);
PyObject *nj_encode_utf32(PyObject *s, const char *errors, int byteorder);
PyObject *nj_encode_utf7(PyObject *s, const char *errors);
PyObject *nj_encode_charmap(PyObject *s, PyObject *mapping, const char *errors);
PyObject *nj_decode_unicode_escape(const char *data, Py_ssize_t size, const char *errors,
                                   Py_ssize_t *consumed);
PyObject *nj_decode_raw_unicode_escape(const char *data, Py_ssize_t size,
                                       const char *errors, Py_ssize_t *consumed);


#endif
