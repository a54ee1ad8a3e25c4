"""A member of a struct keeps its value when a new one is refused."""
import warnings

import _testcapi

warnings.simplefilter('ignore')
Members = _testcapi._test_structmembersType_NewAPI
for name in ('T_BYTE', 'T_USHORT', 'T_INT', 'T_UINT', 'T_LONG', 'T_ULONG', 'T_LONGLONG', 'T_ULONGLONG', 'T_PYSSIZET', 'T_DOUBLE'):
    for value in (10 ** 30, -10 ** 30, 'x', None):
        o = Members()
        setattr(o, name, 5)
        try:
            setattr(o, name, value)
        except Exception as e:
            print(name, type(e).__name__, e, getattr(o, name))

# -> T_BYTE OverflowError Python int too large to convert to C long 5
# -> T_BYTE OverflowError Python int too large to convert to C long 5
# -> T_BYTE TypeError 'str' object cannot be interpreted as an integer 5
# -> T_BYTE TypeError 'NoneType' object cannot be interpreted as an integer 5
# -> T_USHORT OverflowError Python int too large to convert to C long 5
# -> T_USHORT OverflowError Python int too large to convert to C long 5
# -> T_USHORT TypeError 'str' object cannot be interpreted as an integer 5
# -> T_USHORT TypeError 'NoneType' object cannot be interpreted as an integer 5
# -> T_INT OverflowError Python int too large to convert to C long 5
# -> T_INT OverflowError Python int too large to convert to C long 5
# -> T_INT TypeError 'str' object cannot be interpreted as an integer 5
# -> T_INT TypeError 'NoneType' object cannot be interpreted as an integer 5
# -> T_UINT OverflowError Python int too large to convert to C unsigned long 5
# -> T_UINT OverflowError Python int too large to convert to C long 5
# -> T_UINT TypeError 'str' object cannot be interpreted as an integer 5
# -> T_UINT TypeError 'NoneType' object cannot be interpreted as an integer 5
# -> T_LONG OverflowError Python int too large to convert to C long 5
# -> T_LONG OverflowError Python int too large to convert to C long 5
# -> T_LONG TypeError 'str' object cannot be interpreted as an integer 5
# -> T_LONG TypeError 'NoneType' object cannot be interpreted as an integer 5
# -> T_ULONG OverflowError Python int too large to convert to C unsigned long 5
# -> T_ULONG OverflowError Python int too large to convert to C long 5
# -> T_ULONG TypeError 'str' object cannot be interpreted as an integer 5
# -> T_ULONG TypeError 'NoneType' object cannot be interpreted as an integer 5
# -> T_LONGLONG OverflowError int too big to convert 5
# -> T_LONGLONG OverflowError int too big to convert 5
# -> T_LONGLONG TypeError 'str' object cannot be interpreted as an integer 5
# -> T_LONGLONG TypeError 'NoneType' object cannot be interpreted as an integer 5
# -> T_ULONGLONG OverflowError int too big to convert 5
# -> T_ULONGLONG OverflowError Python int too large to convert to C long 5
# -> T_ULONGLONG TypeError 'str' object cannot be interpreted as an integer 5
# -> T_ULONGLONG TypeError 'NoneType' object cannot be interpreted as an integer 5
# -> T_PYSSIZET OverflowError Python int too large to convert to C ssize_t 5
# -> T_PYSSIZET OverflowError Python int too large to convert to C ssize_t 5
# -> T_PYSSIZET TypeError an integer is required 5
# -> T_PYSSIZET TypeError an integer is required 5
# -> T_DOUBLE TypeError must be real number, not str 5.0
# -> T_DOUBLE TypeError must be real number, not NoneType 5.0
