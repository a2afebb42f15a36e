"""Servers on this machine that guests talk to: the real chronyd and the real nfs-ganesha.

They listen on the loopback only. A guest with net() reaches them at SERVER, and has to bring its interface up itself,
with an address of 10.0.2.0/24; nothing gives it one.

    with ntp_server() as ntp, vm.Guest(args=[*vm.pci_ports(1), *net(1)], within=ntp.within, …) as guest:
        guest.plug("virtio-net-pci", "nic1", bus="port1", netdev="lan1", romfile="")
"""
import contextlib
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time

import vm

SERVER = "10.0.2.2"         # where QEMU's user network shows a guest the loopback of its host
ADDRESS = "10.0.2.15/24"


# The first interface of a guest, for an initramfs that is to mount something from here.
BRING_UP = f"""until [ -e /sys/class/net/eth0 ]; do sleep 0.02; done
ip address add {ADDRESS} dev eth0
ip link set eth0 up
ip route add default via {SERVER}
"""


def net(n):
    """QEMU arguments for a network named lanN. It says nothing by itself: no IPv6, and nobody asks its DHCP."""
    return ["-netdev", f"user,id=lan{n},ipv6=off"]


PACKAGES = {"chronyd": "package chrony", "ganesha.nfsd": "packages nfs-ganesha nfs-ganesha-vfs"}


@contextlib.contextmanager
def running(program, unshare, ready, folder):
    """Runs a server until the block ends, in namespaces of its own: see unshare(1). It serves when `ready()` is true."""
    if not shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin"):
        raise vm.GuestError(f"{program} is not installed: {PACKAGES[program]}")
    log = pathlib.Path(folder) / "log"
    with open(log, "w") as out:
        server = subprocess.Popen(["unshare", *unshare], stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        end = time.monotonic() + vm.LONG
        while not ready():
            if server.poll() is not None or time.monotonic() > end:
                raise vm.GuestError(f"{program} does not serve: {log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.05)
        yield server
    finally:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


# ---- time --------------------------------------------------------------------

class NtpServer:
    """A server of the time of this machine, whose clock it leaves alone. A guest that is to see it runs `within`."""

    def __init__(self, command, pid):
        self._command = command
        self.within = ["nsenter", f"--net=/proc/{pid}/ns/net", "--"]

    def asked(self):
        """How many packets it has had."""
        said = vm.run("chronyc", "-h", self._command, "-c", "clients")
        return sum(int(line.split(",")[1]) for line in said.splitlines())


@contextlib.contextmanager
def ntp_server():
    """chronyd, as a stratum 1. Its port is 123, for ntpdate knows no other: so it has a network of its own."""
    with tempfile.TemporaryDirectory(prefix="devmux-ntp-") as folder:
        command = pathlib.Path(folder) / "command"
        config = pathlib.Path(folder) / "config"
        config.write_text(f"local stratum 1\nport 123\nbindaddress 127.0.0.1\nallow 127.0.0.1\nuser root\n"
                          f"cmdport 0\nbindcmdaddress {command}\npidfile {folder}/pid\n")
        script = 'ip link set lo up && exec chronyd -d -x -f "$1"'
        with running("chronyd", ["--net", "sh", "-c", script, "sh", str(config)], command.exists, folder) as server:
            yield NtpServer(str(command), server.pid)


# ---- files -------------------------------------------------------------------

NFS_CONFIG = """
NFS_CORE_PARAM {{ Protocols = 4; NFS_Port = {port}; Bind_addr = 127.0.0.1; Enable_NLM = false; Enable_RQUOTA = false; }}
NFSv4 {{ Graceless = true; Minor_Versions = 1; RecoveryBackend = fs; RecoveryRoot = {folder}/recovery;
         Only_Numeric_Owners = true; }}
EXPORT {{ Export_Id = 1; Path = {folder}/root; Pseudo = {path}; Access_Type = RW; Squash = No_Root_Squash; SecType = sys;
          Protocols = 4; Transports = TCP; PrivilegedPort = false; FSAL {{ Name = VFS; }} }}
LOG {{ Default_Log_Level = EVENT; }}
"""
# The mount is the server's alone, and goes with it.
NFS_SCRIPT = """cd "$1"
mount -o loop image root
exec ganesha.nfsd -F -f config -L STDERR -p "$1/pid"
"""


class NfsServer:
    """A server of a file system; guests may write to it."""

    PATH = "/debian"

    def __init__(self, port):
        self.port = port
        # For an initramfs: the modules, and a mount without mount.nfs, which would fill in the address.
        self.modules = "virtio_pci virtio_net nfsv4"
        # The text of an initramfs must not have the port in it, which makes it another each time.
        self.append = f"nfsport={port}"

    def at(self, path):
        return f"{SERVER}:{self.PATH}{path}"

    def mount(self, path, where):
        """Shell text for an initramfs that mounts a folder of the file system."""
        return (f"port=$(sed 's/.*nfsport=\\([0-9]*\\).*/\\1/' /proc/cmdline)\n"
                f"mount -t nfs4 -o vers=4.1,port=$port,addr={SERVER} {self.at(path)} {where}\n")

    def fstab(self, path, where):
        """A line of fstab. With nolock, mountnfs.sh needs no rpcbind for it, which boot has started anyway."""
        return f"{self.at(path)} {where} nfs vers=4.1,port={self.port},nolock 0 0\n"


@contextlib.contextmanager
def nfs_server(image):
    """nfs-ganesha, with a copy of a file system image: its files have handles there, wherever this machine keeps its own."""
    def serves():
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", port)) == 0

    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="devmux-nfs-", dir=vm.CACHE) as folder:
        folder = pathlib.Path(folder)
        vm.run("cp", "--sparse=always", str(image), str(folder / "image"))
        (folder / "root").mkdir()
        (folder / "recovery").mkdir()
        (folder / "config").write_text(NFS_CONFIG.format(port=port, folder=folder, path=NfsServer.PATH))
        args = ["--mount", "--fork", "--kill-child", "sh", "-ec", NFS_SCRIPT, "sh", str(folder)]
        with running("ganesha.nfsd", args, serves, folder):
            yield NfsServer(port)
