/* opinfo.c - facts about opcodes, in one table plus the formulas of stack effects.
 * SPDX-License-Identifier: MIT
 */
#include "frontend/opinfo.h"

#include <limits.h>
#include <opcode.h>

enum {
    F_ARG = NJ_OPF_ARG,
    F_CONST = NJ_OPF_CONST,
    F_NAME = NJ_OPF_NAME,
    F_JUMP = NJ_OPF_JUMP,
    F_FREE = NJ_OPF_FREE,
    F_LOCAL = NJ_OPF_LOCAL,
    F_EXC = NJ_OPF_EXC
};

typedef struct OpInfo {
    const char *name;
    uint8_t caches;
    uint8_t flags;
} OpInfo;

static const OpInfo INFO[267] = {
    [0] = {"CACHE", 0, 0},
    [1] = {"BINARY_SLICE", 0, 0},
    [2] = {"BUILD_TEMPLATE", 0, 0},
    [4] = {"CALL_FUNCTION_EX", 0, 0},
    [5] = {"CHECK_EG_MATCH", 0, 0},
    [6] = {"CHECK_EXC_MATCH", 0, 0},
    [7] = {"CLEANUP_THROW", 0, 0},
    [8] = {"DELETE_SUBSCR", 0, 0},
    [9] = {"END_FOR", 0, 0},
    [10] = {"END_SEND", 0, 0},
    [11] = {"EXIT_INIT_CHECK", 0, 0},
    [12] = {"FORMAT_SIMPLE", 0, 0},
    [13] = {"FORMAT_WITH_SPEC", 0, 0},
    [14] = {"GET_AITER", 0, 0},
    [15] = {"GET_ANEXT", 0, 0},
    [16] = {"GET_ITER", 0, 0},
    [17] = {"RESERVED", 0, 0},
    [18] = {"GET_LEN", 0, 0},
    [19] = {"GET_YIELD_FROM_ITER", 0, 0},
    [20] = {"INTERPRETER_EXIT", 0, 0},
    [21] = {"LOAD_BUILD_CLASS", 0, 0},
    [22] = {"LOAD_LOCALS", 0, 0},
    [23] = {"MAKE_FUNCTION", 0, 0},
    [24] = {"MATCH_KEYS", 0, 0},
    [25] = {"MATCH_MAPPING", 0, 0},
    [26] = {"MATCH_SEQUENCE", 0, 0},
    [27] = {"NOP", 0, 0},
    [28] = {"NOT_TAKEN", 0, 0},
    [29] = {"POP_EXCEPT", 0, 0},
    [30] = {"POP_ITER", 0, 0},
    [31] = {"POP_TOP", 0, 0},
    [32] = {"PUSH_EXC_INFO", 0, 0},
    [33] = {"PUSH_NULL", 0, 0},
    [34] = {"RETURN_GENERATOR", 0, 0},
    [35] = {"RETURN_VALUE", 0, 0},
    [36] = {"SETUP_ANNOTATIONS", 0, 0},
    [37] = {"STORE_SLICE", 0, 0},
    [38] = {"STORE_SUBSCR", 1, 0},
    [39] = {"TO_BOOL", 3, 0},
    [40] = {"UNARY_INVERT", 0, 0},
    [41] = {"UNARY_NEGATIVE", 0, 0},
    [42] = {"UNARY_NOT", 0, 0},
    [43] = {"WITH_EXCEPT_START", 0, 0},
    [44] = {"BINARY_OP", 5, F_ARG},
    [45] = {"BUILD_INTERPOLATION", 0, F_ARG},
    [46] = {"BUILD_LIST", 0, F_ARG},
    [47] = {"BUILD_MAP", 0, F_ARG},
    [48] = {"BUILD_SET", 0, F_ARG},
    [49] = {"BUILD_SLICE", 0, F_ARG},
    [50] = {"BUILD_STRING", 0, F_ARG},
    [51] = {"BUILD_TUPLE", 0, F_ARG},
    [52] = {"CALL", 3, F_ARG},
    [53] = {"CALL_INTRINSIC_1", 0, F_ARG},
    [54] = {"CALL_INTRINSIC_2", 0, F_ARG},
    [55] = {"CALL_KW", 3, F_ARG},
    [56] = {"COMPARE_OP", 1, F_ARG},
    [57] = {"CONTAINS_OP", 1, F_ARG},
    [58] = {"CONVERT_VALUE", 0, F_ARG},
    [59] = {"COPY", 0, F_ARG},
    [60] = {"COPY_FREE_VARS", 0, F_ARG},
    [61] = {"DELETE_ATTR", 0, F_ARG | F_NAME},
    [62] = {"DELETE_DEREF", 0, F_ARG | F_FREE},
    [63] = {"DELETE_FAST", 0, F_ARG | F_LOCAL},
    [64] = {"DELETE_GLOBAL", 0, F_ARG | F_NAME},
    [65] = {"DELETE_NAME", 0, F_ARG | F_NAME},
    [66] = {"DICT_MERGE", 0, F_ARG},
    [67] = {"DICT_UPDATE", 0, F_ARG},
    [68] = {"END_ASYNC_FOR", 0, F_ARG | F_JUMP},
    [69] = {"EXTENDED_ARG", 0, F_ARG},
    [70] = {"FOR_ITER", 1, F_ARG | F_JUMP},
    [71] = {"GET_AWAITABLE", 0, F_ARG},
    [72] = {"IMPORT_FROM", 0, F_ARG | F_NAME},
    [73] = {"IMPORT_NAME", 0, F_ARG | F_NAME},
    [74] = {"IS_OP", 0, F_ARG},
    [75] = {"JUMP_BACKWARD", 1, F_ARG | F_JUMP},
    [76] = {"JUMP_BACKWARD_NO_INTERRUPT", 0, F_ARG | F_JUMP},
    [77] = {"JUMP_FORWARD", 0, F_ARG | F_JUMP},
    [78] = {"LIST_APPEND", 0, F_ARG},
    [79] = {"LIST_EXTEND", 0, F_ARG},
    [80] = {"LOAD_ATTR", 9, F_ARG | F_NAME},
    [81] = {"LOAD_COMMON_CONSTANT", 0, F_ARG},
    [82] = {"LOAD_CONST", 0, F_ARG | F_CONST},
    [83] = {"LOAD_DEREF", 0, F_ARG | F_LOCAL},
    [84] = {"LOAD_FAST", 0, F_ARG | F_LOCAL},
    [85] = {"LOAD_FAST_AND_CLEAR", 0, F_ARG | F_LOCAL},
    [86] = {"LOAD_FAST_BORROW", 0, F_ARG | F_LOCAL},
    [87] = {"LOAD_FAST_BORROW_LOAD_FAST_BORROW", 0, F_ARG | F_LOCAL},
    [88] = {"LOAD_FAST_CHECK", 0, F_ARG | F_LOCAL},
    [89] = {"LOAD_FAST_LOAD_FAST", 0, F_ARG | F_LOCAL},
    [90] = {"LOAD_FROM_DICT_OR_DEREF", 0, F_ARG | F_FREE},
    [91] = {"LOAD_FROM_DICT_OR_GLOBALS", 0, F_ARG | F_NAME},
    [92] = {"LOAD_GLOBAL", 4, F_ARG | F_NAME},
    [93] = {"LOAD_NAME", 0, F_ARG | F_NAME},
    [94] = {"LOAD_SMALL_INT", 0, F_ARG},
    [95] = {"LOAD_SPECIAL", 0, F_ARG},
    [96] = {"LOAD_SUPER_ATTR", 1, F_ARG | F_NAME},
    [97] = {"MAKE_CELL", 0, F_ARG | F_FREE},
    [98] = {"MAP_ADD", 0, F_ARG},
    [99] = {"MATCH_CLASS", 0, F_ARG},
    [100] = {"POP_JUMP_IF_FALSE", 1, F_ARG | F_JUMP},
    [101] = {"POP_JUMP_IF_NONE", 1, F_ARG | F_JUMP},
    [102] = {"POP_JUMP_IF_NOT_NONE", 1, F_ARG | F_JUMP},
    [103] = {"POP_JUMP_IF_TRUE", 1, F_ARG | F_JUMP},
    [104] = {"RAISE_VARARGS", 0, F_ARG},
    [105] = {"RERAISE", 0, F_ARG},
    [106] = {"SEND", 1, F_ARG | F_JUMP},
    [107] = {"SET_ADD", 0, F_ARG},
    [108] = {"SET_FUNCTION_ATTRIBUTE", 0, F_ARG},
    [109] = {"SET_UPDATE", 0, F_ARG},
    [110] = {"STORE_ATTR", 4, F_ARG | F_NAME},
    [111] = {"STORE_DEREF", 0, F_ARG | F_FREE},
    [112] = {"STORE_FAST", 0, F_ARG | F_LOCAL},
    [113] = {"STORE_FAST_LOAD_FAST", 0, F_ARG | F_LOCAL},
    [114] = {"STORE_FAST_STORE_FAST", 0, F_ARG | F_LOCAL},
    [115] = {"STORE_GLOBAL", 0, F_ARG | F_NAME},
    [116] = {"STORE_NAME", 0, F_ARG | F_NAME},
    [117] = {"SWAP", 0, F_ARG},
    [118] = {"UNPACK_EX", 0, F_ARG},
    [119] = {"UNPACK_SEQUENCE", 1, F_ARG},
    [120] = {"YIELD_VALUE", 0, F_ARG},
    [128] = {"RESUME", 0, F_ARG},
    [255] = {"ENTER_EXECUTOR", 0, F_ARG},
    [256] = {"ANNOTATIONS_PLACEHOLDER", 0, 0},
    [257] = {"JUMP", 0, F_ARG | F_JUMP},
    [258] = {"JUMP_IF_FALSE", 0, F_ARG | F_JUMP},
    [259] = {"JUMP_IF_TRUE", 0, F_ARG | F_JUMP},
    [260] = {"JUMP_NO_INTERRUPT", 0, F_ARG | F_JUMP},
    [261] = {"LOAD_CLOSURE", 0, F_ARG | F_LOCAL},
    [262] = {"POP_BLOCK", 0, 0},
    [263] = {"SETUP_CLEANUP", 0, F_ARG | F_EXC},
    [264] = {"SETUP_FINALLY", 0, F_ARG | F_EXC},
    [265] = {"SETUP_WITH", 0, F_ARG | F_EXC},
    [266] = {"STORE_FAST_MAYBE_NULL", 0, F_ARG | F_LOCAL},
};

/* Specialised forms: argument kinds (the reference's table, opcodes 129 to 255). */
static int
special_flags(int op)
{
    if (op <= 142 || op == 154 || op == 196 || op == 198 || op == 199 ||
        (op >= 201 && op <= 208)) {
        return 0;
    }
    if (op >= 172 && op <= 176) {
        return F_ARG | F_JUMP;
    }
    switch (op) {
    case 179:
    case 189:
    case 194:
    case 195:
    case 200:
    case 249:
        return F_ARG | F_NAME;
    case 190:
    case 191:
        return F_ARG | F_CONST;
    case 237:
    case 248:
        return F_ARG | F_JUMP;
    case 234:
    case 235:
    case 236:
    case 238:
    case 240:
    case 246:
    case 252:
    case 254:
        return 0;
    }
    return F_ARG;
}

int
nj_op_flags(int op)
{
    if (op < 0 || op >= 267) {
        return 0;
    }
    if (op > RESUME && op < 256) {
        if (op > UNPACK_SEQUENCE_TWO_TUPLE && op < MIN_INSTRUMENTED_OPCODE) {
            return 0;
        }
        return special_flags(op) | NJ_OPF_VALID;
    }
    if (op == BINARY_OP_INPLACE_ADD_UNICODE) {
        return NJ_OPF_VALID;
    }
    return INFO[op].name == NULL ? 0 : INFO[op].flags | NJ_OPF_VALID;
}

int
nj_op_caches(int op)
{
    return op >= 0 && op < 267 ? INFO[op].caches : 0;
}

int
nj_op_effect(int op, int arg, bool jump)
{
    switch (op) {
    case NOP:
    case NOT_TAKEN:
    case CACHE:
    case RESERVED:
    case CHECK_EG_MATCH:
    case CHECK_EXC_MATCH:
    case FORMAT_SIMPLE:
    case GET_AITER:
    case GET_ITER:
    case GET_YIELD_FROM_ITER:
    case MAKE_FUNCTION:
    case RETURN_VALUE:
    case SETUP_ANNOTATIONS:
    case TO_BOOL:
    case UNARY_INVERT:
    case UNARY_NEGATIVE:
    case UNARY_NOT:
    case CALL_INTRINSIC_1:
    case CONVERT_VALUE:
    case COPY_FREE_VARS:
    case DELETE_DEREF:
    case DELETE_FAST:
    case DELETE_GLOBAL:
    case DELETE_NAME:
    case EXTENDED_ARG:
    case GET_AWAITABLE:
    case JUMP_BACKWARD:
    case JUMP_BACKWARD_NO_INTERRUPT:
    case JUMP_FORWARD:
    case LOAD_FROM_DICT_OR_DEREF:
    case LOAD_FROM_DICT_OR_GLOBALS:
    case MAKE_CELL:
    case SEND:
    case STORE_FAST_LOAD_FAST:
    case SWAP:
    case YIELD_VALUE:
    case RESUME:
    case ANNOTATIONS_PLACEHOLDER:
    case JUMP:
    case JUMP_IF_FALSE:
    case JUMP_IF_TRUE:
    case JUMP_NO_INTERRUPT:
    case POP_BLOCK:
        return 0;
    case GET_ANEXT:
    case GET_LEN:
    case LOAD_BUILD_CLASS:
    case LOAD_LOCALS:
    case MATCH_KEYS:
    case MATCH_MAPPING:
    case MATCH_SEQUENCE:
    case PUSH_EXC_INFO:
    case PUSH_NULL:
    case RETURN_GENERATOR:
    case WITH_EXCEPT_START:
    case COPY:
    case FOR_ITER:
    case IMPORT_FROM:
    case LOAD_COMMON_CONSTANT:
    case LOAD_CONST:
    case LOAD_DEREF:
    case LOAD_FAST:
    case LOAD_FAST_AND_CLEAR:
    case LOAD_FAST_BORROW:
    case LOAD_FAST_CHECK:
    case LOAD_NAME:
    case LOAD_SMALL_INT:
    case LOAD_SPECIAL:
    case LOAD_CLOSURE:
        return 1;
    case LOAD_FAST_BORROW_LOAD_FAST_BORROW:
    case LOAD_FAST_LOAD_FAST:
        return 2;
    case BUILD_TEMPLATE:
    case CLEANUP_THROW:
    case END_FOR:
    case END_SEND:
    case EXIT_INIT_CHECK:
    case FORMAT_WITH_SPEC:
    case INTERPRETER_EXIT:
    case POP_EXCEPT:
    case POP_ITER:
    case POP_TOP:
    case BINARY_OP:
    case CALL_INTRINSIC_2:
    case COMPARE_OP:
    case CONTAINS_OP:
    case DELETE_ATTR:
    case DICT_MERGE:
    case DICT_UPDATE:
    case IMPORT_NAME:
    case IS_OP:
    case LIST_APPEND:
    case LIST_EXTEND:
    case POP_JUMP_IF_FALSE:
    case POP_JUMP_IF_NONE:
    case POP_JUMP_IF_NOT_NONE:
    case POP_JUMP_IF_TRUE:
    case RERAISE:
    case SET_ADD:
    case SET_FUNCTION_ATTRIBUTE:
    case SET_UPDATE:
    case STORE_DEREF:
    case STORE_FAST:
    case STORE_FAST_MAYBE_NULL:
    case STORE_GLOBAL:
    case STORE_NAME:
        return -1;
    case BINARY_SLICE:
    case DELETE_SUBSCR:
    case END_ASYNC_FOR:
    case MAP_ADD:
    case MATCH_CLASS:
    case STORE_ATTR:
    case STORE_FAST_STORE_FAST:
        return -2;
    case CALL_FUNCTION_EX:
    case STORE_SUBSCR:
        return -3;
    case STORE_SLICE:
        return -4;
    case BUILD_INTERPOLATION:
        return -1 - (arg & 1);
    case BUILD_LIST:
    case BUILD_SET:
    case BUILD_SLICE:
    case BUILD_STRING:
    case BUILD_TUPLE:
        return 1 - arg;
    case BUILD_MAP:
        return 1 - 2 * arg;
    case CALL:
        return -1 - arg;
    case CALL_KW:
        return -2 - arg;
    case LOAD_ATTR:
        return arg & 1;
    case LOAD_GLOBAL:
        return 1 + (arg & 1);
    case LOAD_SUPER_ATTR:
        return -2 + (arg & 1);
    case RAISE_VARARGS:
        return -arg;
    case UNPACK_EX:
        return (arg & 0xFF) + (arg >> 8);
    case UNPACK_SEQUENCE:
        return arg - 1;
    case SETUP_CLEANUP:
        return jump ? 2 : 0;
    case SETUP_FINALLY:
    case SETUP_WITH:
        return jump ? 1 : 0;
    default:
        return INT_MIN;
    }
}

int
nj_op_popped(int op, int arg)
{
    switch (op) {
    case END_ASYNC_FOR:
    case BINARY_OP:
    case BINARY_SLICE:
    case DELETE_SUBSCR:
    case COMPARE_OP:
    case CONTAINS_OP:
    case IS_OP:
    case FORMAT_WITH_SPEC:
    case CALL_INTRINSIC_2:
    case IMPORT_NAME:
    case STORE_ATTR:
    case STORE_FAST_STORE_FAST:
    case BUILD_TEMPLATE:
    case SET_FUNCTION_ATTRIBUTE:
    case CHECK_EG_MATCH:
    case CHECK_EXC_MATCH:
    case END_SEND:
    case CLEANUP_THROW:
    case SEND:
        return op == BINARY_SLICE || op == CLEANUP_THROW ? 3 : 2;
    case STORE_SUBSCR:
    case MATCH_CLASS:
    case LOAD_SUPER_ATTR:
        return 3;
    case STORE_SLICE:
    case CALL_FUNCTION_EX:
        return 4;
    case GET_AITER:
    case GET_ITER:
    case GET_AWAITABLE:
    case GET_YIELD_FROM_ITER:
    case MAKE_FUNCTION:
    case RETURN_VALUE:
    case TO_BOOL:
    case UNARY_INVERT:
    case UNARY_NEGATIVE:
    case UNARY_NOT:
    case CALL_INTRINSIC_1:
    case CONVERT_VALUE:
    case FORMAT_SIMPLE:
    case LOAD_FROM_DICT_OR_DEREF:
    case LOAD_FROM_DICT_OR_GLOBALS:
    case YIELD_VALUE:
    case POP_EXCEPT:
    case POP_ITER:
    case POP_TOP:
    case POP_JUMP_IF_FALSE:
    case POP_JUMP_IF_NONE:
    case POP_JUMP_IF_NOT_NONE:
    case POP_JUMP_IF_TRUE:
    case STORE_DEREF:
    case STORE_FAST:
    case STORE_FAST_MAYBE_NULL:
    case STORE_FAST_LOAD_FAST:
    case STORE_GLOBAL:
    case STORE_NAME:
    case DELETE_ATTR:
    case INTERPRETER_EXIT:
    case LOAD_ATTR:
    case LOAD_SPECIAL:
    case PUSH_EXC_INFO:
    case UNPACK_SEQUENCE:
    case UNPACK_EX:
    case END_FOR:
        return 1;
    case BUILD_LIST:
    case BUILD_SET:
    case BUILD_SLICE:
    case BUILD_STRING:
    case BUILD_TUPLE:
    case RAISE_VARARGS:
        return arg;
    case BUILD_MAP:
        return 2 * arg;
    case BUILD_INTERPOLATION:
        return 2 + (arg & 1);
    case CALL:
        return 2 + arg;
    case CALL_KW:
        return 3 + arg;
    case DICT_MERGE:
        return 5 + (arg - 1);
    case DICT_UPDATE:
    case LIST_APPEND:
    case LIST_EXTEND:
    case SET_ADD:
    case SET_UPDATE:
        return 2 + (arg - 1);
    case MAP_ADD:
        return 3 + (arg - 1);
    case RERAISE:
        return 1 + arg;
    case COPY:
        return 1 + (arg - 1);
    case SWAP:
        return 2 + (arg - 2);
    case WITH_EXCEPT_START:
        return 5;
    default:
        return 0;
    }
}
