"""Uses a model through the C interface: two sessions in two threads.

usage: use-library.py LIBRARY
"""

import ctypes
import sys
import threading


class Status(ctypes.Structure):
    _fields_ = [("code", ctypes.c_int), ("message", ctypes.c_char * 508)]


library = ctypes.CDLL(sys.argv[1])
library.mod_model.restype = ctypes.c_void_p
library.modrt_logits.restype = ctypes.POINTER(ctypes.c_float)
assert library.modrt_api_version() == 1
assert not library.mod_model(3)


def call(name, *arguments):
    function = getattr(library, "modrt_" + name)
    function.restype = Status
    status = function(*arguments)
    assert status.code == 0, status.message
    return status


instance = ctypes.c_void_p()
call("open", ctypes.c_void_p(library.mod_model(6)), None, ctypes.byref(instance))


def generate(prompt, answer):
    session = ctypes.c_void_p()
    call("session_open", instance, None, ctypes.byref(session))
    ids = (ctypes.c_int32 * len(prompt))(*prompt)
    call("prefill", session, ids, ctypes.c_int64(len(prompt)), ctypes.c_int64(0), None)
    for _ in range(20):
        logits = library.modrt_logits(session)[:256]
        answer.append(max(range(256), key=logits.__getitem__))
        call("decode", session, ctypes.c_int32(answer[-1]))
    library.modrt_session_close(session)


def expected(prompt):
    tokens = list(prompt)
    for _ in range(20):
        routed = sum(token for token in tokens if token % 16 > 12)
        tokens.append(-(7 * sum(tokens) + 13 * routed) % 256)
    return tokens[len(prompt) :]


prompts = [[97, 98], [5, 13, 200]]
answers = [[], []]
threads = [threading.Thread(target=generate, args=job) for job in zip(prompts, answers)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert answers == [expected(prompt) for prompt in prompts], answers
library.modrt_close(instance)
