# What sys.unraisablehook is told when finalizers warn or fail.
import asyncio
import io
import os
import re
import socket
import sys
import warnings


def show(unraisable):
    text = re.sub(r' at 0x\w+|(fd|proto|laddr|raddr)=[^>]*', '', unraisable.err_msg)
    print(text, unraisable.object, unraisable.exc_type.__name__)


sys.unraisablehook = show
warnings.simplefilter('error')
socket.socket()
next(os.scandir('/'))
io.FileIO(os.devnull)
open(os.devnull)


class Delegate:
    def __iter__(self):
        return self

    def __next__(self):
        return 1

    @property
    def close(self):
        raise ValueError('close')


def delegating():
    yield from Delegate()


gen = delegating()
next(gen)
gen.close()


class Loop:
    call_exception_handler = None

    def get_debug(self):
        return False


asyncio.Future(loop=Loop()).set_exception(KeyError('x'))
del Loop.call_exception_handler
asyncio.Future(loop=Loop()).set_exception(KeyError('x'))

# -> Exception ignored while finalizing socket <socket.socket > None ResourceWarning
# -> Exception ignored while finalizing scandir iterator <posix.ScandirIterator object> None ResourceWarning
# -> Exception ignored while finalizing file <_io.FileIO name='/dev/null' mode='rb' close> None ResourceWarning
# -> Exception ignored while finalizing file <_io.FileIO name='/dev/null' mode='rb' close> None ResourceWarning
# -> Exception ignored while closing generator <__main__.Delegate object> None ValueError
# -> Exception ignored while calling asyncio function None None TypeError
