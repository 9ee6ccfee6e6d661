"""
Loads two eBPF classifiers and pins them: FOLDER/push puts VLAN tags on (outermost last), FOLDER/pop takes
as many off. In place of kernel VLAN interfaces, which not every kernel has: a tag pushed this way travels
beside the packet, not in it, as a network card delivers it.

  vlan_program.py FOLDER TPID:ID [TPID:ID]      FOLDER: an empty directory; a bpf file system is mounted on it
"""

import ctypes
import os
import platform
import struct
import subprocess
import sys

SYS_BPF = {"x86_64": 321, "aarch64": 280}[platform.machine()]
PROG_LOAD, OBJ_PIN, SCHED_CLS = 5, 6, 3
VLAN_PUSH, VLAN_POP = 18, 19
libc = ctypes.CDLL(None, use_errno=True)


def bpf(command, attributes):
    buffer = ctypes.create_string_buffer(attributes.ljust(128, b"\0"), 128)
    result = libc.syscall(SYS_BPF, command, buffer, 128)
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"bpf command {command}: {os.strerror(error)}")
    return result


def instruction(code, destination=0, source=0, immediate=0):
    return struct.pack("<BBhi", code, source << 4 | destination, 0, immediate)


def move(to, source):
    return instruction(0xBF, to, source)


def put(to, value):
    return instruction(0xB7, to, 0, value)


def call(helper):
    return instruction(0x85, 0, 0, helper)


def load(body, path):
    # r6 keeps the packet; the answer is TC_ACT_OK.
    code = ctypes.create_string_buffer(move(6, 1) + body + put(0, 0) + instruction(0x95))
    licence = ctypes.create_string_buffer(b"GPL")
    count = (len(code) - 1) // 8
    program = bpf(PROG_LOAD, struct.pack("<IIQQ", SCHED_CLS, count, ctypes.addressof(code), ctypes.addressof(licence)))
    name = ctypes.create_string_buffer(path.encode())
    bpf(OBJ_PIN, struct.pack("<QII", ctypes.addressof(name), program, 0))


folder, tags = sys.argv[1], [[int(n, 0) for n in tag.split(":")] for tag in sys.argv[2:]]
subprocess.run(["mount", "-t", "bpf", "bpf", folder], check=True)
push = b""
for tpid, tci in tags:
    push += move(1, 6) + put(2, (tpid & 0xFF) << 8 | tpid >> 8) + put(3, tci) + call(VLAN_PUSH)
load(push, folder + "/push")
load((move(1, 6) + call(VLAN_POP)) * len(tags), folder + "/pop")
