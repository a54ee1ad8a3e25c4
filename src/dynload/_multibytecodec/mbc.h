/* mbc.h - what the files of _multibytecodec share.
 *
 * tables.c    cjk.h's compact tables, expanded on first use
 * plain.c     codecs without shift states (and gb18030's and euc_kr's long codes)
 * stateful.c  HZ and the ISO-2022 family
 * types.c     the incremental and stream types
 * module.c    codec objects, error handlers
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_MBC_H
#define NJ_MBC_H

#include "../cjk.h"

enum { CJK_EXTRA = 0xD800, CJK_LEAD = 0xDFFF, MAX_PAGES = 0x300, MAX_CHARSETS = 12, MAX_PAIRS = 32 };

/* Two code points with one code. */
typedef struct {
    Py_UCS4 first, second;
    uint16_t code;
} Pair;

/* Expanded tables: what a word stands for both ways. */
typedef struct Tables {
    const CjkTable *table;
    uint16_t single[256];
    uint16_t *rows[256], *rows3[256]; /* by lead byte; 256 words each, or NULL */
    uint16_t *pages[MAX_PAGES];       /* by code point >> 8: codes; 256 each, or NULL */
    Pair pairs[MAX_PAIRS];
    int n_pairs;
    struct Tables *base;              /* HZ's charset; borrowed from the module's cache */
    struct Tables *charsets[MAX_CHARSETS];
} Tables;

typedef struct {
    PyTypeObject *codec_type, *encoder_type, *decoder_type, *reader_type, *writer_type;
    PyObject *tables; /* dict: address of CjkTable -> capsule of Tables */
} MbcState;

typedef struct {
    uint8_t c[8];
} ShiftState;

/* Input of an encoder. */
typedef struct {
    int kind;
    const void *data;
    Py_ssize_t pos, len;
} Chars;

typedef struct {
    uint8_t *p;
    size_t len, size;
} Bytes;

typedef struct {
    Py_UCS4 *p;
    size_t len, size;
    Py_UCS4 all; /* or of all */
} Text;

/* What stopped a codec: more input is needed, or an exception is set; positive numbers
 * tell how many bytes or characters are illegal; 0 is the end of the input. */
enum { NEED_MORE = -1, FAILED = -2 };

typedef struct {
    PyObject_HEAD
    Tables *t;
    MbcState *st;
} Codec;

extern PyType_Spec mbc_codec_spec, mbc_encoder_spec, mbc_decoder_spec, mbc_reader_spec,
    mbc_writer_spec;
extern struct PyModuleDef mbc_module;

MbcState *mbc_state_of(PyTypeObject *type);
/* Expanded tables, kept by the module. NULL with an exception set. */
Tables *mbc_tables(MbcState *st, const CjkTable *table);

static inline Py_UCS4
peek(const Chars *in, Py_ssize_t at)
{
    return PyUnicode_READ(in->kind, in->data, at);
}

/* The code of a code point, 0 if it has none. */
static inline unsigned
code_of(const Tables *t, Py_UCS4 c)
{
    const uint16_t *page = c >> 8 < MAX_PAGES ? t->pages[c >> 8] : NULL;
    return page ? page[c & 0xFF] : 0;
}

/* The code of a pair of code points, 0 if it has none. */
unsigned mbc_pair_code(const Tables *t, Py_UCS4 a, Py_UCS4 b);
/* Whether some pair starts with this code point. */
bool mbc_starts_pair(const Tables *t, Py_UCS4 a);

int mbc_more_bytes(Bytes *out, size_t n);
int mbc_more_text(Text *out, size_t n);

static inline int
put_byte(Bytes *out, unsigned b)
{
    if (out->len == out->size && mbc_more_bytes(out, 1) < 0) {
        return -1;
    }
    out->p[out->len++] = (uint8_t)b;
    return 0;
}

static inline int
put_char(Text *out, Py_UCS4 c)
{
    if (out->len == out->size && mbc_more_text(out, 1) < 0) {
        return -1;
    }
    out->all |= c;
    out->p[out->len++] = c;
    return 0;
}

/* Appends what a word stands for. */
static inline int
put_word(const Tables *t, Text *out, unsigned word)
{
    if (word - CJK_EXTRA >= 0x800) {
        return put_char(out, word);
    }
    const CjkExtra *e = &t->table->extras[word - CJK_EXTRA];
    return put_char(out, e->first) < 0 || (e->second && put_char(out, e->second) < 0) ? -1 : 0;
}

/* A codec's two halves. They go on until something stops them; in->pos or *p is then
 * where that is. */
int mbc_encode_plain(const Tables *t, Chars *in, Bytes *out, bool final);
int mbc_decode_plain(const Tables *t, const uint8_t **p, const uint8_t *end, Text *out);
int mbc_encode_stateful(const Tables *t, ShiftState *s, Chars *in, Bytes *out, bool final);
int mbc_decode_stateful(const Tables *t, ShiftState *s, const uint8_t **p, const uint8_t *end,
                        Text *out);
/* The initial state, and the bytes that lead back to it. */
void mbc_start(const Tables *t, ShiftState *s);
int mbc_finish(const Tables *t, ShiftState *s, Bytes *out);

/* Encodes characters of str from *pos on, with error handling; at the end *pos is behind
 * the last one used (not the end only if !final). Bytes appended to out. 0 or -1. */
int mbc_encode(Codec *codec, ShiftState *s, PyObject *str, Py_ssize_t *pos, PyObject *errors,
               bool final, Bytes *out);
/* Decodes len bytes; *used tells how many (all if final). Text appended to out. */
int mbc_decode(Codec *codec, ShiftState *s, const char *data, Py_ssize_t len,
               Py_ssize_t *used, PyObject *errors, bool final, Text *out);
/* The text as a str; frees it. */
PyObject *mbc_text_str(Text *out);
PyObject *mbc_bytes_obj(Bytes *out);

#endif
