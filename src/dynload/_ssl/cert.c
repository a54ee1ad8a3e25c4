/* cert.c - certificates: as dicts, as DER, and the type Certificate.
 * SPDX-License-Identifier: MIT
 */
#include "ssl_int.h"

static void
drop_bio(BIO **bio)
{
    BIO_free(*bio);
}

static void
drop_names(GENERAL_NAMES **names)
{
    GENERAL_NAMES_free(*names);
}

static void
drop_openssl(void *p)
{
    OPENSSL_free(*(void **)p);
}

#define OWN_BIO __attribute__((cleanup(drop_bio))) BIO *

/* What was written to a memory BIO, as str. */
static PyObject *
bio_text(BIO *bio)
{
    char *text;
    long n = BIO_get_mem_data(bio, &text);
    return n < 0 ? PyErr_NoMemory() : PyUnicode_DecodeUTF8(text, n, "strict");
}

/* ---- names -------------------------------------------------------------------------- */

/* An object identifier as text: its long name, or digits where it has none. */
static PyObject *
oid_text(SslState *st, const ASN1_OBJECT *obj, bool digits)
{
    char buf[256];
    int n = OBJ_obj2txt(buf, sizeof buf, obj, digits);
    if (n < 0) {
        return nj_ssl_error(st, NULL, __LINE__);
    }
    if ((size_t)n < sizeof buf) {
        return PyUnicode_FromStringAndSize(buf, n);
    }
    NJ_OWN_MEM(char) longer = PyMem_Malloc((size_t)n + 1);
    if (!longer) {
        return PyErr_NoMemory();
    }
    n = OBJ_obj2txt(longer, n + 1, obj, digits);
    return n < 0 ? nj_ssl_error(st, NULL, __LINE__)
                 : PyUnicode_FromStringAndSize(longer, n);
}

/* (nid, short name, long name, digits) */
PyObject *
nj_ssl_obj2py(SslState *st, const ASN1_OBJECT *obj)
{
    int nid = OBJ_obj2nid(obj);
    if (nid == NID_undef) {
        PyErr_SetString(PyExc_ValueError, "Unknown object");
        return NULL;
    }
    NJ_OWN digits = oid_text(st, obj, true);
    return digits ? Py_BuildValue("issO", nid, OBJ_nid2sn(nid), OBJ_nid2ln(nid), digits)
                  : NULL;
}

static PyObject *
attribute(SslState *st, X509_NAME_ENTRY *entry)
{
    __attribute__((cleanup(drop_openssl))) unsigned char *utf8 = NULL;
    NJ_OWN name = oid_text(st, X509_NAME_ENTRY_get_object(entry), false);
    if (!name) {
        return NULL;
    }
    int n = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(entry));
    if (n < 0) {
        return nj_ssl_error(st, NULL, __LINE__);
    }
    NJ_OWN value = PyUnicode_DecodeUTF8((char *)utf8, n, "strict");
    return value ? PyTuple_Pack(2, name, value) : NULL;
}

static int
append_tuple(PyObject *list, PyObject *items)
{
    NJ_OWN tuple = PyList_AsTuple(items);
    return tuple ? PyList_Append(list, tuple) : -1;
}

/* A distinguished name: a tuple of its parts, each a tuple of (name, value). */
static PyObject *
name_tuple(SslState *st, const X509_NAME *name)
{
    NJ_OWN parts = PyList_New(0);
    NJ_OWN part = PyList_New(0);
    int level = -1;
    if (!parts || !part) {
        return NULL;
    }
    for (int i = 0; i < X509_NAME_entry_count(name); i++) {
        X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, i);
        if (level >= 0 && level != X509_NAME_ENTRY_set(entry)) {
            if (append_tuple(parts, part) < 0) {
                return NULL;
            }
            NJ_SET(part, PyList_New(0));
            if (!part) {
                return NULL;
            }
        }
        level = X509_NAME_ENTRY_set(entry);
        NJ_OWN pair = attribute(st, entry);
        if (!pair || PyList_Append(part, pair) < 0) {
            return NULL;
        }
    }
    if (PyList_GET_SIZE(part) && append_tuple(parts, part) < 0) {
        return NULL;
    }
    return PyList_AsTuple(parts);
}

/* ---- alternative names -------------------------------------------------------------- */

static PyObject *
ip_text(const ASN1_OCTET_STRING *ip)
{
    const unsigned char *p = ASN1_STRING_get0_data(ip);
    int n = ASN1_STRING_length(ip);
    if (n == 4) {
        return PyUnicode_FromFormat("%d.%d.%d.%d", p[0], p[1], p[2], p[3]);
    }
    if (n == 16) {
        return PyUnicode_FromFormat("%X:%X:%X:%X:%X:%X:%X:%X", p[0] << 8 | p[1],
                                    p[2] << 8 | p[3], p[4] << 8 | p[5], p[6] << 8 | p[7],
                                    p[8] << 8 | p[9], p[10] << 8 | p[11],
                                    p[12] << 8 | p[13], p[14] << 8 | p[15]);
    }
    return PyUnicode_FromString("<invalid>");
}

static PyObject *
ia5_pair(const char *kind, const ASN1_IA5STRING *text)
{
    NJ_OWN value = PyUnicode_DecodeUTF8((const char *)ASN1_STRING_get0_data(text),
                                        ASN1_STRING_length(text), "strict");
    return value ? Py_BuildValue("sO", kind, value) : NULL;
}

/* A kind that has no form of its own here: OpenSSL's "kind:text" cut in two. */
static PyObject *
other_pair(SslState *st, GENERAL_NAME *name)
{
    OWN_BIO bio = BIO_new(BIO_s_mem());
    if (!bio) {
        return PyErr_NoMemory();
    }
    switch (name->type) {
    case GEN_OTHERNAME:
    case GEN_X400:
    case GEN_EDIPARTY:
    case GEN_RID:
        break;
    default:
        if (PyErr_WarnFormat(PyExc_RuntimeWarning, 1, "Unknown general name type %d",
                             name->type)
            < 0) {
            return NULL;
        }
    }
    GENERAL_NAME_print(bio, name);
    NJ_OWN text = bio_text(bio);
    if (!text) {
        return NULL;
    }
    Py_ssize_t n = PyUnicode_GET_LENGTH(text), colon = PyUnicode_FindChar(text, ':', 0, n, 1);
    if (colon < 0) {
        PyErr_Format(PyExc_ValueError, "Invalid value %.200U", text);
        return NULL;
    }
    NJ_OWN kind = PyUnicode_Substring(text, 0, colon);
    NJ_OWN value = PyUnicode_Substring(text, colon + 1, n);
    return kind && value ? PyTuple_Pack(2, kind, value) : NULL;
}

static PyObject *
general_name(SslState *st, GENERAL_NAME *name)
{
    switch (name->type) {
    case GEN_DIRNAME: {
        NJ_OWN value = name_tuple(st, name->d.directoryName);
        return value ? Py_BuildValue("sO", "DirName", value) : NULL;
    }
    case GEN_EMAIL:
        return ia5_pair("email", name->d.rfc822Name);
    case GEN_DNS:
        return ia5_pair("DNS", name->d.dNSName);
    case GEN_URI:
        return ia5_pair("URI", name->d.uniformResourceIdentifier);
    case GEN_RID: {
        NJ_OWN value = oid_text(st, name->d.registeredID, false);
        return value ? Py_BuildValue("sO", "Registered ID", value) : NULL;
    }
    case GEN_IPADD: {
        NJ_OWN value = ip_text(name->d.iPAddress);
        return value ? Py_BuildValue("sO", "IP Address", value) : NULL;
    }
    default:
        return other_pair(st, name);
    }
}

static PyObject *
alternative_names(SslState *st, X509 *cert)
{
    __attribute__((cleanup(drop_names))) GENERAL_NAMES *names =
        X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    if (!names) {
        return Py_NewRef(Py_None);
    }
    NJ_OWN list = PyList_New(0);
    for (int i = 0; list && i < sk_GENERAL_NAME_num(names); i++) {
        NJ_OWN pair = general_name(st, sk_GENERAL_NAME_value(names, i));
        if (!pair || PyList_Append(list, pair) < 0) {
            return NULL;
        }
    }
    return list ? PyList_AsTuple(list) : NULL;
}

/* ---- extensions that hold addresses ------------------------------------------------- */

static int
append_uri(PyObject *list, const GENERAL_NAME *name)
{
    if (name->type != GEN_URI) {
        return 0;
    }
    const ASN1_IA5STRING *uri = name->d.uniformResourceIdentifier;
    NJ_OWN text = PyUnicode_DecodeUTF8((const char *)ASN1_STRING_get0_data(uri),
                                       ASN1_STRING_length(uri), "strict");
    return text ? PyList_Append(list, text) : -1;
}

static PyObject *
tuple_or_none(PyObject *list)
{
    return PyList_GET_SIZE(list) ? PyList_AsTuple(list) : Py_NewRef(Py_None);
}

static void
drop_access(AUTHORITY_INFO_ACCESS **info)
{
    AUTHORITY_INFO_ACCESS_free(*info);
}

static PyObject *
access_uris(X509 *cert, int nid)
{
    __attribute__((cleanup(drop_access))) AUTHORITY_INFO_ACCESS *info =
        X509_get_ext_d2i(cert, NID_info_access, NULL, NULL);
    NJ_OWN list = PyList_New(0);
    if (!list) {
        return NULL;
    }
    for (int i = 0; info && i < sk_ACCESS_DESCRIPTION_num(info); i++) {
        ACCESS_DESCRIPTION *ad = sk_ACCESS_DESCRIPTION_value(info, i);
        if (OBJ_obj2nid(ad->method) == nid && append_uri(list, ad->location) < 0) {
            return NULL;
        }
    }
    return tuple_or_none(list);
}

static void
drop_points(CRL_DIST_POINTS **points)
{
    CRL_DIST_POINTS_free(*points);
}

static PyObject *
crl_uris(X509 *cert)
{
    __attribute__((cleanup(drop_points))) CRL_DIST_POINTS *points =
        X509_get_ext_d2i(cert, NID_crl_distribution_points, NULL, NULL);
    NJ_OWN list = PyList_New(0);
    if (!list) {
        return NULL;
    }
    for (int i = 0; points && i < sk_DIST_POINT_num(points); i++) {
        DIST_POINT *dp = sk_DIST_POINT_value(points, i);
        if (!dp->distpoint || dp->distpoint->type != 0) {
            continue; /* not a full name */
        }
        GENERAL_NAMES *names = dp->distpoint->name.fullname;
        for (int j = 0; j < sk_GENERAL_NAME_num(names); j++) {
            if (append_uri(list, sk_GENERAL_NAME_value(names, j)) < 0) {
                return NULL;
            }
        }
    }
    return tuple_or_none(list);
}

/* ---- the dict ----------------------------------------------------------------------- */

static int
put(PyObject *dict, const char *key, PyObject *NJ_STEALS value)
{
    NJ_OWN v = value;
    return v ? PyDict_SetItemString(dict, key, v) : -1;
}

/* only what there is */
static int
put_some(PyObject *dict, const char *key, PyObject *NJ_STEALS value)
{
    NJ_OWN v = value;
    return !v ? -1 : v == Py_None ? 0 : PyDict_SetItemString(dict, key, v);
}

static PyObject *
serial_number(SslState *st, X509 *cert)
{
    OWN_BIO bio = BIO_new(BIO_s_mem());
    if (!bio) {
        return PyErr_NoMemory();
    }
    if (i2a_ASN1_INTEGER(bio, X509_get0_serialNumber(cert)) < 0) {
        return nj_ssl_error(st, NULL, __LINE__);
    }
    return bio_text(bio);
}

static PyObject *
time_text(SslState *st, const ASN1_TIME *time)
{
    OWN_BIO bio = BIO_new(BIO_s_mem());
    if (!bio) {
        return PyErr_NoMemory();
    }
    if (!ASN1_TIME_print(bio, time)) {
        return nj_ssl_error(st, NULL, __LINE__);
    }
    return bio_text(bio);
}

PyObject *
nj_ssl_decode_cert(SslState *st, X509 *cert)
{
    NJ_OWN dict = PyDict_New();
    if (!dict || put(dict, "subject", name_tuple(st, X509_get_subject_name(cert))) < 0
        || put(dict, "issuer", name_tuple(st, X509_get_issuer_name(cert))) < 0
        || put(dict, "version", PyLong_FromLong(X509_get_version(cert) + 1)) < 0
        || put(dict, "serialNumber", serial_number(st, cert)) < 0
        || put(dict, "notBefore", time_text(st, X509_get0_notBefore(cert))) < 0
        || put(dict, "notAfter", time_text(st, X509_get0_notAfter(cert))) < 0
        || put_some(dict, "subjectAltName", alternative_names(st, cert)) < 0
        || put_some(dict, "OCSP", access_uris(cert, NID_ad_OCSP)) < 0
        || put_some(dict, "caIssuers", access_uris(cert, NID_ad_ca_issuers)) < 0
        || put_some(dict, "crlDistributionPoints", crl_uris(cert)) < 0) {
        return NULL;
    }
    return NJ_TAKE(dict);
}

PyObject *
nj_ssl_cert_der(SslState *st, X509 *cert)
{
    __attribute__((cleanup(drop_openssl))) unsigned char *der = NULL;
    int n = i2d_X509(cert, &der);
    return n < 0 ? nj_ssl_error(st, NULL, __LINE__)
                 : PyBytes_FromStringAndSize((char *)der, n);
}

/* ---- Certificate -------------------------------------------------------------------- */

PyObject *
nj_ssl_cert_new(SslState *st, X509 *cert)
{
    Cert *c = (Cert *)st->cert_type->tp_alloc(st->cert_type, 0);
    if (c) {
        X509_up_ref(cert);
        c->cert = cert;
        c->hash = -1;
    }
    return (PyObject *)c;
}

static void
cert_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    X509_free(((Cert *)op)->cert);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyObject *
cert_public_bytes(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"format", NULL};
    SslState *st = nj_ssl_state(Py_TYPE(op));
    int format = ENCODING_PEM;
    if (!st
        || !PyArg_ParseTupleAndKeywords(args, kwargs, "|O&:public_bytes", names,
                                        nj_ssl_convert_int, &format)) {
        return NULL;
    }
    if (format == ENCODING_DER) {
        return nj_ssl_cert_der(st, ((Cert *)op)->cert);
    }
    if (format != ENCODING_PEM) {
        PyErr_SetString(PyExc_ValueError, "Unsupported format");
        return NULL;
    }
    OWN_BIO bio = BIO_new(BIO_s_mem());
    if (!bio) {
        return PyErr_NoMemory();
    }
    if (!PEM_write_bio_X509(bio, ((Cert *)op)->cert)) {
        return nj_ssl_error(st, NULL, __LINE__);
    }
    return bio_text(bio);
}

static PyObject *
cert_get_info(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    SslState *st = nj_ssl_state(Py_TYPE(op));
    return st ? nj_ssl_decode_cert(st, ((Cert *)op)->cert) : NULL;
}

static PyObject *
cert_repr(PyObject *op)
{
    SslState *st = nj_ssl_state(Py_TYPE(op));
    OWN_BIO bio = BIO_new(BIO_s_mem());
    if (!st || !bio) {
        return st ? PyErr_NoMemory() : NULL;
    }
    if (X509_NAME_print_ex(bio, X509_get_subject_name(((Cert *)op)->cert), 0,
                           XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB)
        < 0) {
        return nj_ssl_error(st, NULL, __LINE__);
    }
    NJ_OWN subject = bio_text(bio);
    return subject ? PyUnicode_FromFormat("<%s '%U'>", Py_TYPE(op)->tp_name, subject) : NULL;
}

static Py_hash_t
cert_hash(PyObject *op)
{
    Cert *c = (Cert *)op;
    if (c->hash == -1) {
        Py_hash_t h = (Py_hash_t)X509_subject_name_hash(c->cert);
        c->hash = h == -1 ? -2 : h;
    }
    return c->hash;
}

static PyObject *
cert_richcompare(PyObject *op, PyObject *other, int how)
{
    if (!Py_IS_TYPE(other, Py_TYPE(op)) || (how != Py_EQ && how != Py_NE)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    bool same = X509_cmp(((Cert *)op)->cert, ((Cert *)other)->cert) == 0;
    return PyBool_FromLong(same == (how == Py_EQ));
}

static PyMethodDef cert_methods[] = {
    {"public_bytes", KW(cert_public_bytes), METH_VARARGS | METH_KEYWORDS,
     "public_bytes($self, /, format=Encoding.PEM)\n--\n\n"},
    {"get_info", cert_get_info, METH_NOARGS, "get_info($self, /)\n--\n\n"},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot cert_slots[] = {
    {Py_tp_dealloc, cert_dealloc},
    {Py_tp_repr, cert_repr},
    {Py_tp_hash, cert_hash},
    {Py_tp_richcompare, cert_richcompare},
    {Py_tp_methods, cert_methods},
    {0, NULL},
};

PyType_Spec nj_ssl_cert_spec = {
    .name = "_ssl.Certificate",
    .basicsize = sizeof(Cert),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = cert_slots,
};
