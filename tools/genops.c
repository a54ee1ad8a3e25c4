/* genops.c - host program: turns src/vm/ops.def into the interpreter's cases and tables.
 *
 *     genops OPS.DEF OUTDIR OPCODE_IDS.H
 *
 * writes OUTDIR/eval_cases.inc (one labelled case per instruction, #line back to ops.def),
 * OUTDIR/opcode_targets.inc (the jump table), OUTDIR/opcode_meta.inc (names, cache sizes,
 * deopt table, flags, stack effects) and checks every number against opcode_ids.h.
 *
 * The grammar of ops.def:
 *
 *     inst NAME (in, in[count] -- out, out[count]) word... { body }
 *
 * Items of the stack picture are named words, or arrays whose length is an expression of
 * oparg; the rightmost item is the top of the stack. An item that stands on both sides at
 * the same place is left alone. `unused` names what the body does not look at. The body
 * uses inputs as variables (arrays as pointers into the stack), assigns outputs, and never
 * touches the stack pointer. On `goto error' the inputs are still on the stack and will be
 * closed by the unwinder; BOX(x) makes input x an object, in the variable and on the stack;
 * BOX(y=x), before these, gives x and y one object if they are the same integer.
 *
 * Words: cache(N)        units of inline cache behind the instruction
 *        of(NAME)        a specialized or instrumented form of NAME (deopt table, cache)
 *        pure            cannot raise, call or be observed: instr_ptr is not stored
 *        raw             the body does its own stack work and ends by itself
 *        nobody          only metadata (pseudo instructions)
 *        noarg            above HAVE_ARGUMENT but without one
 *        const name jump free local exc     what oparg is, as module opcode reports it
 *        effect(E) / effect(E, J)           stack effect where the picture cannot say it
 *                                           (J: when jumping)
 * SPDX-License-Identifier: MIT
 */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ITEMS 12
#define MAX_OPS 320

typedef struct {
    char name[48];
    char count[80]; /* "" = one word */
} Item;

typedef struct {
    char name[64];
    int number;
    int line;          /* of the body */
    Item in[MAX_ITEMS], out[MAX_ITEMS];
    int nin, nout;
    int cache;
    char of[64];
    int pure, raw, nobody;
    int flags;
    char effect[120], effect_jump[120];
    char *body;
} Op;

static Op ops[MAX_OPS];
static int nops;
static struct { char name[64]; int number; } ids[400];
static int nids;
static int have_argument;
static const char *src_name;
static char *src;
static size_t pos;
static int line = 1;

static void
die(const char *fmt, ...)
{
    va_list ap;
    fprintf(stderr, "%s:%d: ", src_name, line);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    exit(1);
}

static void
skip(void)
{
    for (;;) {
        char c = src[pos];
        if (c == '\n') {
            line++;
            pos++;
        }
        else if (c == ' ' || c == '\t') {
            pos++;
        }
        else if (c == '/' && src[pos + 1] == '*') {
            while (src[pos] && !(src[pos] == '*' && src[pos + 1] == '/')) {
                if (src[pos++] == '\n') {
                    line++;
                }
            }
            pos += 2;
        }
        else {
            return;
        }
    }
}

static int
word(char *out, size_t size)
{
    skip();
    size_t n = 0;
    while (isalnum((unsigned char)src[pos]) || src[pos] == '_') {
        if (n + 1 < size) {
            out[n++] = src[pos];
        }
        pos++;
    }
    out[n] = 0;
    return n > 0;
}

static void
expect(char c)
{
    skip();
    if (src[pos] != c) {
        die("expected '%c' before \"%.20s\"", c, src + pos);
    }
    pos++;
}

static void
balanced(char open, char close, char *out, size_t size)
{
    int depth = 1;
    size_t n = 0;
    while (src[pos]) {
        char c = src[pos++];
        if (c == '\n') {
            line++;
        }
        if (c == open) {
            depth++;
        }
        else if (c == close && --depth == 0) {
            out[n] = 0;
            return;
        }
        if (n + 1 >= size) {
            die("text too long");
        }
        out[n++] = c;
    }
    die("no closing '%c'", close);
}

static int
items(Item *list, const char *stop)
{
    int n = 0;
    skip();
    while (strncmp(src + pos, stop, strlen(stop)) != 0) {
        if (n == MAX_ITEMS) {
            die("too many items");
        }
        if (!word(list[n].name, sizeof(list[n].name))) {
            die("item expected before \"%.20s\"", src + pos);
        }
        list[n].count[0] = 0;
        skip();
        if (src[pos] == '[') {
            pos++;
            balanced('[', ']', list[n].count, sizeof(list[n].count));
        }
        n++;
        skip();
        if (src[pos] == ',') {
            pos++;
            skip();
        }
    }
    pos += strlen(stop);
    return n;
}

static int
number_of(const char *name)
{
    for (int i = 0; i < nids; i++) {
        if (strcmp(ids[i].name, name) == 0) {
            return ids[i].number;
        }
    }
    return -1;
}

static Op *
find(const char *name)
{
    for (int i = 0; i < nops; i++) {
        if (strcmp(ops[i].name, name) == 0) {
            return &ops[i];
        }
    }
    return NULL;
}

static char *
slurp(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f) {
        perror(path);
        exit(1);
    }
    fseek(f, 0, SEEK_END);
    long n = ftell(f);
    rewind(f);
    char *s = malloc(n + 1);
    if (fread(s, 1, n, f) != (size_t)n) {
        perror(path);
        exit(1);
    }
    s[n] = 0;
    fclose(f);
    return s;
}

static void
parse(void)
{
    static char body[65536];
    char w[64], arg[256];
    static const struct { const char *word; int bit; } flag_words[] = {
        {"noarg", 128}, {"const", 2}, {"name", 4}, {"jump", 8}, {"free", 16}, {"local", 32}, {"exc", 64},
    };
    for (;;) {
        skip();
        if (!src[pos]) {
            return;
        }
        word(w, sizeof(w));
        if (strcmp(w, "inst") != 0) {
            die("`inst' expected, not \"%s\"", w);
        }
        Op *op = &ops[nops++];
        word(op->name, sizeof(op->name));
        op->number = number_of(op->name);
        expect('(');
        op->nin = items(op->in, "--");
        op->nout = items(op->out, ")");
        for (;;) {
            size_t before = pos;
            int before_line = line;
            if (!word(w, sizeof(w))) {
                break;
            }
            if (strcmp(w, "inst") == 0) { /* after a `nobody': the next instruction */
                pos = before;
                line = before_line;
                break;
            }
            arg[0] = 0;
            if (src[pos] == '(') {
                pos++;
                balanced('(', ')', arg, sizeof(arg));
            }
            if (strcmp(w, "cache") == 0) {
                op->cache = atoi(arg);
            }
            else if (strcmp(w, "of") == 0) {
                strcpy(op->of, arg);
            }
            else if (strcmp(w, "number") == 0) {
                op->number = atoi(arg);
            }
            else if (strcmp(w, "pure") == 0) {
                op->pure = 1;
            }
            else if (strcmp(w, "raw") == 0) {
                op->raw = 1;
            }
            else if (strcmp(w, "nobody") == 0) {
                op->nobody = 1;
            }
            else if (strcmp(w, "effect") == 0) {
                char *comma = strchr(arg, ',');
                strcpy(op->effect_jump, comma ? comma + 1 : arg);
                if (comma) {
                    *comma = 0;
                }
                strcpy(op->effect, arg);
            }
            else {
                size_t i;
                for (i = 0; i < sizeof(flag_words) / sizeof(*flag_words); i++) {
                    if (strcmp(w, flag_words[i].word) == 0) {
                        op->flags |= flag_words[i].bit;
                        break;
                    }
                }
                if (i == sizeof(flag_words) / sizeof(*flag_words)) {
                    die("unknown word \"%s\"", w);
                }
            }
        }
        if (op->number < 0) {
            die("%s is not in opcode_ids.h", op->name);
        }
        if (op->of[0]) {
            Op *base = find(op->of);
            if (!base) {
                die("%s: base %s must come first", op->name, op->of);
            }
            op->cache = base->cache;
            if (op->number < 234) {
                op->flags |= base->flags;
            }
        }
        if (op->nobody) {
            continue;
        }
        expect('{');
        op->line = line;
        balanced('{', '}', body, sizeof(body));
        op->body = strdup(body);
    }
}

/* "-(1 + (oparg))": the words from item i (inclusive) to the end of the list */
static void
depth_from(const Item *list, int n, int i, char *out)
{
    int fixed = 0;
    char var[1024] = "";
    for (; i < n; i++) {
        if (list[i].count[0]) {
            sprintf(var + strlen(var), " + (int)(%s)", list[i].count);
        }
        else {
            fixed++;
        }
    }
    sprintf(out, "(%d%s)", fixed, var);
}

/* How many leading items are the same on both sides, hence untouched. */
static int
common_prefix(const Op *op)
{
    int k = 0;
    while (k < op->nin && k < op->nout && strcmp(op->in[k].name, op->out[k].name) == 0 &&
           strcmp(op->in[k].count, op->out[k].count) == 0) {
        k++;
    }
    return k;
}

static int
input_index(const Op *op, const char *name)
{
    for (int i = 0; i < op->nin; i++) {
        if (strcmp(op->in[i].name, name) == 0) {
            return i;
        }
    }
    fprintf(stderr, "%s: BOX(%s): no such input\n", op->name, name);
    exit(1);
}

static void
emit_body(FILE *f, const Op *op)
{
    /* BOX(x) -> in the variable and in its stack slot */
    const char *p = op->body;
    char expr[1200], expr2[1200];
    while (*p) {
        if (strncmp(p, "BOX(", 4) == 0 && (p == op->body || !(isalnum((unsigned char)p[-1]) || p[-1] == '_'))) {
            char name[48];
            size_t n = 0;
            p += 4;
            while (*p != ')' && n < 47) {
                name[n++] = *p++;
            }
            name[n] = 0;
            p++;
            char *twin = strchr(name, '=');
            if (twin != NULL) {
                *twin++ = 0;
                int k = input_index(op, twin);
                depth_from(op->in, op->nin, k, expr);
                depth_from(op->in, op->nin, input_index(op, name), expr2);
                fprintf(f,
                        "do { if (nj_value_is_int(%s) && %s.bits == %s.bits) { "
                        "Value b_ = nj_box(frame, %s); "
                        "if (nj_value_is_null(b_)) { goto error; } "
                        "%s = sp[-%s] = b_; %s = sp[-%s] = nj_value_dup(b_); } } while (0)",
                        name, name, twin, twin, twin, expr, name, expr2);
                continue;
            }
            int i = input_index(op, name);
            depth_from(op->in, op->nin, i, expr);
            fprintf(f,
                    "do { if (NJ_UNLIKELY(nj_value_is_int(%s))) { "
                    "Value b_ = nj_box(frame, %s); "
                    "if (nj_value_is_null(b_)) { goto error; } "
                    "%s = b_; sp[-%s] = b_; } } while (0)",
                    name, name, name, expr);
            continue;
        }
        fputc(*p++, f);
    }
}

static void
emit_case(FILE *f, const Op *op)
{
    char expr[1200], expr2[1200];
    fprintf(f, "TARGET(%s)\n{\n", op->name);
    fprintf(f, "    NjCodeUnit *this_instr = ip; (void)this_instr;\n");
    if (!op->pure) {
        fprintf(f, "    frame->instr_ptr = ip;\n");
    }
    fprintf(f, "    ip += %d;\n", 1 + op->cache);
    if (op->cache || op->of[0]) {
        fprintf(f, "    PREDICTED(%s)\n", op->name);
    }
    if (op->raw) {
        fprintf(f, "#line %d \"%s\"\n    {", op->line, src_name);
        emit_body(f, op);
        fprintf(f, "    }\n}\n\n");
        return;
    }
    int k = common_prefix(op);
    for (int i = 0; i < op->nin; i++) {
        const Item *it = &op->in[i];
        if (strcmp(it->name, "unused") == 0) {
            continue;
        }
        depth_from(op->in, op->nin, i, expr);
        if (it->count[0]) {
            fprintf(f, "    Value *%s = sp - %s;\n", it->name, expr);
        }
        else {
            fprintf(f, "    Value %s = sp[-%s];\n", it->name, expr);
        }
    }
    for (int i = k; i < op->nout; i++) {
        const Item *it = &op->out[i];
        int isin = 0;
        for (int j = 0; j < op->nin; j++) {
            isin |= strcmp(op->in[j].name, it->name) == 0;
        }
        if (isin || strcmp(it->name, "unused") == 0) {
            continue;
        }
        if (it->count[0]) {
            /* an output array lies where it will be: above everything consumed */
            depth_from(op->in, op->nin, k, expr);
            depth_from(op->out, i, k, expr2);
            fprintf(f, "    Value *%s = sp - %s + %s;\n", it->name, expr, expr2);
        }
        else {
            fprintf(f, "    Value %s;\n", it->name);
        }
    }
    fprintf(f, "#line %d \"%s\"\n    {", op->line, src_name);
    emit_body(f, op);
    fprintf(f, "}\n");
    depth_from(op->in, op->nin, k, expr);
    depth_from(op->out, op->nout, k, expr2);
    if (strcmp(expr, expr2) != 0) {
        fprintf(f, "    sp += %s - %s;\n", expr2, expr);
    }
    for (int i = k; i < op->nout; i++) {
        const Item *it = &op->out[i];
        if (it->count[0] || strcmp(it->name, "unused") == 0) {
            continue;
        }
        depth_from(op->out, op->nout, i, expr);
        fprintf(f, "    sp[-%s] = %s;\n", expr, it->name);
    }
    fprintf(f, "    DISPATCH();\n}\n\n");
}

int
main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: genops OPS.DEF OUTDIR OPCODE_IDS.H\n");
        return 2;
    }
    char path[4096];
    char *h = slurp(argv[3]);
    for (char *p = h; (p = strstr(p, "#define ")) != NULL;) {
        char name[64];
        int num;
        p += 8;
        if (sscanf(p, "%63s %d", name, &num) == 2) {
            if (strcmp(name, "HAVE_ARGUMENT") == 0) {
                have_argument = num;
            }
            strcpy(ids[nids].name, name);
            ids[nids++].number = num;
        }
    }
    src_name = argv[1];
    src = slurp(argv[1]);
    parse();

    sprintf(path, "%s/eval_cases.inc", argv[2]);
    FILE *f = fopen(path, "w");
    if (!f) {
        perror(path);
        return 1;
    }
    fprintf(f, "/* made by tools/genops from src/vm/ops.def: do not edit */\n");
    const Op *by[400] = {0};
    for (int i = 0; i < nops; i++) {
        if (by[ops[i].number]) {
            fprintf(stderr, "%s defined twice\n", ops[i].name);
            return 1;
        }
        by[ops[i].number] = &ops[i];
        if (!ops[i].nobody) {
            emit_case(f, &ops[i]);
        }
    }
    fclose(f);

    sprintf(path, "%s/opcode_targets.inc", argv[2]);
    f = fopen(path, "w");
    for (int i = 0; i < 256; i++) {
        if (by[i] && !by[i]->nobody) {
            fprintf(f, "&&TARGET_%s,\n", by[i]->name);
        }
        else {
            fprintf(f, "&&unknown_opcode,\n");
        }
    }
    fclose(f);

    sprintf(path, "%s/opcode_meta.inc", argv[2]);
    f = fopen(path, "w");
    fprintf(f, "/* made by tools/genops from src/vm/ops.def: do not edit */\n");
    fprintf(f, "const uint8_t nj_opcode_caches[256] = {\n");
    for (int i = 0; i < 256; i++) {
        if (by[i] && by[i]->cache) {
            fprintf(f, "    [%d] = %d, /* %s */\n", i, by[i]->cache, by[i]->name);
        }
    }
    fprintf(f, "};\nconst uint8_t nj_opcode_deopt[256] = {\n");
    for (int i = 0; i < 256; i++) {
        int d = i;
        if (by[i] && by[i]->of[0]) {
            d = number_of(by[i]->of);
            while (by[d]->of[0]) {
                d = number_of(by[d]->of);
            }
        }
        fprintf(f, "    [%d] = %d,\n", i, d);
    }
    fprintf(f, "};\nconst char *const nj_opcode_names[267] = {\n");
    for (int i = 0; i < 267; i++) {
        if (by[i]) {
            fprintf(f, "    [%d] = \"%s\",\n", i, by[i]->name);
        }
    }
    fprintf(f, "};\nconst uint8_t nj_opcode_flags[267] = {\n");
    for (int i = 0; i < 267; i++) {
        if (by[i]) {
            fprintf(f, "    [%d] = %d,\n", i, (by[i]->flags & 127) |
                        (i > have_argument && !(by[i]->flags & 128) ? 1 : 0));
        }
    }
    fprintf(f, "};\n\nint\nnj_opcode_stack_effect(int opcode, int oparg, int jump)\n{\n"
               "    switch (opcode) {\n");
    char a[1200], b[1200];
    for (int i = 0; i < 267; i++) {
        if (!by[i] || (i > 128 && i < 234) || i == 3) {
            continue;
        }
        if (by[i]->effect[0]) {
            strcpy(a, by[i]->effect);
            strcpy(b, by[i]->effect_jump);
        }
        else {
            char in[500], out[500];
            depth_from(by[i]->in, by[i]->nin, 0, in);
            depth_from(by[i]->out, by[i]->nout, 0, out);
            sprintf(a, "%s - %s", out, in);
            strcpy(b, a);
        }
        if (strcmp(a, b) == 0) {
            fprintf(f, "    case %d: return %s;\n", i, a);
        }
        else {
            fprintf(f, "    case %d: return jump > 0 ? (%s) : jump == 0 ? (%s) : "
                       "Py_MAX((%s), (%s));\n", i, b, a, a, b);
        }
    }
    fprintf(f, "    default: return INT_MAX;\n    }\n}\n");
    fclose(f);
    return 0;
}
