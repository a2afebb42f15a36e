"""Uevents that somebody makes: asked for through sysfs, forged by a process, or sent by the kernel
for a process (uevent_net_rcv() in lib/kobject_uevent.c: root may hand the kernel a message, which it
numbers and broadcasts as its own)."""
import os
import socket
import struct
import uuid

NETLINK_KOBJECT_UEVENT = 15


def ask_for(path, action="change", *words, uid=None):
    """Writes to a uevent file; with words or a uid in the long form ACTION UUID KEY=VALUE …"""
    text = action
    if words or uid:
        text = " ".join((action, uid or str(uuid.uuid4()), *words))
    with open(os.path.join(path, "uevent"), "wb", buffering=0) as file:
        file.write(text.encode())


def link_path(name):
    return f"/sys/class/net/{name}"


def variables(*texts):
    return b"".join(t.encode() + b"\0" for t in texts)


def message(action, devpath, *more, subsystem="net"):
    return variables(f"{action}@{devpath}", f"ACTION={action}", f"DEVPATH={devpath}",
                     f"SUBSYSTEM={subsystem}", *more)


class Forger:
    """A process that is not the kernel, and sends to the kernel's group."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_KOBJECT_UEVENT)
        self.socket.bind((0, 0))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)

    def multicast(self, data, group=1):
        self.socket.sendto(data, (0, group))

    def unicast(self, data, port):
        self.socket.sendto(data, (port, 0))

    def by_kernel(self, data):
        header = struct.pack("=IHHII", 16 + len(data), 0x20, 1, 0, 0)  # type NLMSG_MIN_TYPE+16, request
        self.socket.sendto(header + data, (0, 0))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()
