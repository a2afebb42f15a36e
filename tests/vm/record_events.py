#!/usr/bin/env python3
"""Records what a real kernel says of each kind of device, as test data.

    record_events.py [--out DIR] [--jobs N] [KIND...]

For each kind a guest (see vm.py) is booted, the device is plugged in or its
driver loaded, and the kernel's uevents are written to DIR/KIND.txt, with the
attributes in sysfs and with all ancestors.  No udev runs in the guest: the files
hold kernel facts alone.  What is sent when the device goes goes to
DIR/unplug/KIND.txt.  Without KIND all are recorded, which takes ten minutes.

Needed beside the packages of vm.py: gcc libc6-dev iproute2 acpica-tools ovmf.
The result differs from run to run in numbers such as SEQNUM, and from kernel to
kernel; tests read the files that are checked in.

The format: a block per event, or per device that was there before, in the
kernel's order, ended by an empty line.

    device DEVPATH
    E KEY=VALUE        of the uevent, as sent, but for control characters, which
                       are written \\xHH; or of the file `uevent`
    A FILE=VALUE       an attribute, right after the event was received
    D NAME             the driver the device is bound to, at that moment
    # from sysfs       above a block: no event, the device was there before
    # later: …         an A or D line that appeared or changed after the event
"""
import argparse
import concurrent.futures
import dataclasses
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import textwrap
import time
import typing

import vm

HERE = pathlib.Path(__file__).resolve().parent
DATA = HERE.parent / "data/events"

# Attributes that say nothing about what a device is, only how it fares.
NOISE = set("""
    active_count active_time_ms aer_rootport_total_err_cor aer_rootport_total_err_fatal aer_rootport_total_err_nonfatal
    ari_enabled authorized_default avoid_reset_quirk bMaxPacketSize0 broken_parity_status carrier_changes
    carrier_down_count carrier_up_count close_delay closing_wait configuration consistent_dma_mask_bits crash_notes
    crash_notes_size current_link_speed current_link_width custom_divisor d3cold_allowed device_blocked device_busy
    discard_alignment dma_mask_bits dormant driver_override eh_timeout ering event_count events_async events_poll_msecs
    evt_capacity_change_reported evt_inquiry_change_reported evt_lun_change_reported evt_media_change
    evt_mode_parameter_change_reported evt_soft_threshold_reached expire_count gro_flush_timeout inflight
    interface_authorized_default iocounterbits iodone_cnt ioerr_cnt iomem_base iomem_reg_shift iorequest_cnt iotmo_cnt
    irq last_change_ms local_cpulist local_cpus ltm_capable max_link_speed max_link_width max_time_ms msi_bus
    napi_defer_hard_irqs numa_node power_state preferred_erase_size prevent_suspend_time_ms proto_down queue_depth
    queue_ramp_up_period queue_type quirks reset_method rx_lanes rx_trig_bytes secondary_bus_number stat
    subordinate_bus_number testing threaded timeout total_time_ms tx_lanes tx_queue_len urbnum waiting_for_supplier
    wakeup_count xmit_fifo_size
""".split())


# ---- what can be done in a guest -------------------------------------------

class Step(typing.NamedTuple):
    """Something to do with the guest, and how it is called in the data files."""
    shown: str
    do: typing.Callable


def plug(driver, **props):
    """A step: plug a device in."""
    return Step(f"plug {driver}", lambda guest: guest.plug(driver, "dev1", **props))


UNPLUG = Step("unplug it", lambda guest: guest.unplug("dev1"))
EJECT = Step("unplug it", lambda guest: guest.unplug("dev1", wait=120))      # PCI and CPUs


def usb_gadget(function, setup="", port="dummy_udc.0"):
    """A step: a USB device with one gadget function is made on a port, by default on dummy_hcd's bus.

    `setup` runs in the folder of the function.
    """
    return f"""
        mount -t configfs none /sys/kernel/config
        mkdir /sys/kernel/config/usb_gadget/g && cd /sys/kernel/config/usb_gadget/g
        echo 0x1d6b >idVendor; echo 0x0104 >idProduct; echo 0x0200 >bcdUSB
        mkdir strings/0x409
        echo "Linux Foundation" >strings/0x409/manufacturer; echo "Gadget {function}" >strings/0x409/product
        mkdir configs/c.1 functions/{function}
        ( cd functions/{function}; {setup or ":"} ) || exit
        ln -s functions/{function} configs/c.1 && echo {port} >UDC"""


@dataclasses.dataclass
class Kind:
    """How one kind of device is recorded.  A step is shell text, or a function of the guest."""
    about: str
    before: typing.Sequence = ()          # steps before anything is recorded
    do: typing.Sequence = ()              # steps that make the device appear
    until: str = ""                       # shell text that is true when it is there
    undo: typing.Sequence = ()            # steps that take it away
    gone: str = ""                        # shell text that is true when it is away
    sysfs: str = ""                       # patterns of devices to take from sysfs, without event
    load: str = ""                        # modules that are loaded before
    have: str = ""                        # modules that a step loads
    args: typing.Sequence = ()            # QEMU's; {disk} {cdrom} {laptop} {ovmf} are files
    append: str = ""                      # the kernel's arguments
    firmware: bool = False
    vga: str = "none"
    only: str = "/devices/"               # regular expression: devpaths that are kept


INPUT = "xhci_pci usbhid hid_generic evdev joydev"
DISK = ("-drive", "if=none,id=disk,format=raw,file={disk}")
CDROM = ("-drive", "if=none,id=cdrom,format=raw,media=cdrom,file={cdrom}")
LAPTOP = ("-acpitable", "file={laptop}")
NO_NET = ("-nic", "none")
GADGET_HOST = r"/devices/platform/dummy_hcd\.0/"     # not what the gadget's own side announces


def uinput(name, about):
    """A kind of input device that has to be made through uinput."""
    return Kind(f"{about}\nmade through uinput, therefore virtual: a real one has parents on a bus",
                load=f"{INPUT} uinput",
                do=[f"inputs {name} & echo $! >/tmp/pid"], until="test -e /sys/devices/virtual/input/*/event*",
                undo=["kill $(cat /tmp/pid)"], gone="! test -e /sys/devices/virtual/input/*/event*")


def link(add, about, modules, device):
    """A kind of virtual network interface."""
    return Kind(about, load=modules, do=[add], until=f"test -e /sys/class/net/{device}",
                undo=[f"/host/ip link del {device}"], gone=f"! test -e /sys/class/net/{device}")


KINDS = {
    # input
    "mouse": Kind(
        "a USB mouse", load=INPUT, args=vm.USB, do=[plug("usb-mouse")], until="test -e /sys/class/input/mouse0",
        undo=[UNPLUG], gone="! test -e /sys/class/input/mouse0"),
    "keyboard": Kind(
        "a USB keyboard", load=INPUT, args=vm.USB, do=[plug("usb-kbd")],
        until="grep -q 'QEMU USB Keyboard' /proc/bus/input/devices",
        undo=[UNPLUG], gone="! grep -q 'QEMU USB Keyboard' /proc/bus/input/devices"),
    "tablet": Kind(
        "the absolute pointer of a virtual machine: a mouse with ABS_X, ABS_Y and a wheel, and no pen", load=INPUT,
        args=vm.USB, do=[plug("usb-tablet")], until="test -e /sys/class/input/mouse0"),
    "ps2-mouse": Kind(
        "a PS/2 mouse; its serio port is there from the start, the driver psmouse is loaded", load="evdev",
        have="psmouse", do=["modprobe psmouse"], until="test -e /sys/class/input/mouse0"),
    "wacom-tablet": Kind(
        "a graphics tablet on USB: QEMU's Wacom PenPartner", load=f"{INPUT} wacom", args=vm.USB,
        do=[plug("usb-wacom-tablet")], until="grep -q -i penpartner /proc/bus/input/devices"),
    "touchpad": uinput("touchpad", "the touchpad of a laptop"),
    "touchscreen": uinput("touchscreen", "a touchscreen"),
    "pen-tablet": uinput("pen-tablet", "a graphics tablet with a pen"),
    "gamepad": uinput("gamepad", "a gamepad"),
    "joystick": uinput("joystick", "a joystick"),
    "input-remote": uinput("remote", "volume keys and a horizontal wheel: neither mouse nor keyboard"),
    "input-accelerometer": uinput("accelerometer", "an accelerometer: ABS_X and ABS_Y, but no joystick"),
    "input-jack": uinput("headphone-switch", "the jack of a sound card, an input device with a switch"),
    "input-power-button": Kind(
        "the power button: one key, no keyboard", load="evdev", have="button", do=["modprobe button"],
        until="grep -q LNXPWRBN /proc/bus/input/devices"),
    "input-lid": Kind(
        "the lid of a laptop and the power button", load="evdev", have="button", args=LAPTOP, do=["modprobe button"],
        until="grep -q PNP0C0D /proc/bus/input/devices"),
    "input-pc-speaker": Kind(
        "the PC speaker: an input device that only sounds", load="evdev", have="pcspkr", do=["modprobe pcspkr"],
        until="grep -q 'PC Speaker' /proc/bus/input/devices"),
    "input-at-keyboard": Kind(
        "the PS/2 keyboard, which is there before any event can be received", load="evdev",
        sysfs="/sys/class/input/input0 /sys/class/input/event0"),
    "input-mice": Kind(
        "mousedev's sum of all mice, which is there without any mouse",
        sysfs="/sys/class/input/mice /sys/class/misc/psaux"),

    # graphics
    "framebuffer": Kind(
        "a display controller, its DRM driver and the framebuffer that comes with it", have="bochs",
        args=["-device", "bochs-display"], do=["modprobe bochs"], until="test -e /sys/class/graphics/fb0",
        undo=["echo 0 >/sys/class/vtconsole/vtcon1/bind", "modprobe -r bochs"],
        gone="! test -e /sys/class/graphics/fb0"),
    "framebuffer-hotplug": Kind(
        "the same display controller, plugged in with its driver at hand", load="bochs",
        args=["-device", "pcie-root-port,id=port1,chassis=1,slot=1,pref64-reserve=64M,mem-reserve=32M"],
        do=[plug("bochs-display", bus="port1")], until="test -e /sys/class/graphics/fb0"),
    "firmware-framebuffer": Kind(
        "vesafb, the framebuffer of the BIOS; unplug/ has what happens when bochs takes over from it", have="bochs",
        firmware=True, vga="std", append="vga=791", sysfs="/sys/class/graphics/fb0",
        undo=["modprobe bochs"], gone="test -e /sys/class/drm/card0 && test -e /sys/class/graphics/fb0"),
    "firmware-framebuffer-efi": Kind(
        "efifb, the framebuffer of UEFI; unplug/ has what happens when bochs takes over from it", have="bochs",
        firmware=True, vga="std", args=["-bios", "{ovmf}"], sysfs="/sys/class/graphics/fb0",
        undo=["modprobe bochs"], gone="test -e /sys/class/drm/card0 && test -e /sys/class/graphics/fb0"),
    "virtio-gpu": Kind(
        "the display of a virtual machine", have="virtio_pci virtio_gpu", args=["-device", "virtio-gpu-pci"],
        do=["modprobe virtio_gpu", "modprobe virtio_pci"], until="test -e /sys/class/graphics/fb0"),
    "gpu-without-display": Kind(
        "a DRM device that has no display: vgem", have="vgem", do=["modprobe vgem"],
        until="test -e /sys/class/drm/card0"),
    "console-graphics": Kind(
        "the console's own device of the class graphics, which is no framebuffer",
        sysfs="/sys/class/graphics/fbcon /sys/class/vtconsole/vtcon0"),

    # sound
    "sound-usb": Kind(
        "a USB sound card", load="xhci_pci snd_usb_audio snd_seq", args=[*vm.USB, "-audiodev", "none,id=snd"],
        do=[plug("usb-audio", audiodev="snd")], until="test -e /sys/class/sound/pcmC0D0p",
        undo=[UNPLUG], gone="! test -e /sys/class/sound/card0"),
    "sound-hda": Kind(
        "a sound card on PCI", have="snd_hda_intel snd_hda_codec_generic", load="evdev",
        args=["-audiodev", "none,id=snd", "-device", "intel-hda", "-device", "hda-duplex,audiodev=snd"],
        do=["modprobe snd_hda_codec_generic", "modprobe snd_hda_intel"], until="test -e /sys/class/sound/pcmC0D0p"),
    "sound-without-card": Kind(
        "what the sound system announces without any sound card", have="snd_seq snd_timer",
        do=["modprobe snd_seq"], until="test -e /sys/class/sound/seq"),

    # network
    "network-e1000e": Kind(
        "an Ethernet card, plugged in", load="e1000e", args=[*NO_NET, *vm.pci_ports(1)],
        do=[plug("e1000e", bus="port1")], until="test -e /sys/class/net/eth0", undo=[EJECT],
        gone="! test -e /sys/class/net/eth0"),
    "network-renamed": Kind(
        "the same card, when its interface is renamed: an event `move`", load="e1000e",
        args=["-nic", "none", "-device", "e1000e"],
        before=["until test -e /sys/class/net/eth0; do sleep 0.1; done"],
        do=["ip link set eth0 name lan0"], until="test -e /sys/class/net/lan0"),
    "network-virtio": Kind(
        "the Ethernet card of a virtual machine", load="virtio_pci virtio_net", args=vm.pci_ports(1),
        do=[plug("virtio-net-pci", bus="port1")], until="test -e /sys/class/net/eth0"),
    "network-usb": Kind(
        "an Ethernet adapter on USB", load="xhci_pci cdc_ether rndis_host", args=vm.USB, do=[plug("usb-net")],
        until="test -e /sys/class/net/usb0", undo=[UNPLUG], gone="! test -e /sys/class/net/usb0"),
    "network-wifi": Kind(
        "a wireless card: mac80211_hwsim, therefore virtual", have="mac80211_hwsim",
        do=["modprobe mac80211_hwsim radios=1"], until="test -e /sys/class/net/wlan0"),
    "network-loopback": Kind("the loopback interface", sysfs="/sys/class/net/lo"),
    "network-veth": link("/host/ip link add veth0 type veth peer name veth1", "both ends of a virtual cable", "veth",
                         "veth0"),
    "network-dummy": Kind("a dummy interface, which its module makes", have="dummy", do=["modprobe dummy"],
                          until="test -e /sys/class/net/dummy0", undo=["/host/ip link del dummy0"],
                          gone="! test -e /sys/class/net/dummy0"),
    "network-bridge": link("/host/ip link add br0 type bridge", "a bridge", "bridge", "br0"),
    "network-vlan": link("/host/ip link add link dummy0 name dummy0.5 type vlan id 5", "a VLAN on a dummy interface",
                         "8021q dummy", "dummy0.5"),
    "network-bond": link("/host/ip link add bond1 numtxqueues 1 numrxqueues 1 type bond", "a bond", "bonding", "bond1"),
    "network-tap": link("/host/ip tuntap add tap0 mode tap", "a TAP interface", "tun", "tap0"),
    "network-tun": link("/host/ip tuntap add tun0 mode tun", "a TUN interface, as VPNs use it", "tun", "tun0"),
    "network-wireguard": link("/host/ip link add wg0 type wireguard", "a WireGuard interface", "wireguard", "wg0"),

    # processors
    "cpu": Kind(
        "a CPU that is plugged in, then switched on: events `add` and `online`",
        do=[Step("plug a CPU", lambda guest: guest.plug_cpu("dev1")),
            "until test -e /sys/devices/system/cpu/cpu1/online; do sleep 0.1; done; sleep 1",
            "echo 1 >/sys/devices/system/cpu/cpu1/online"],
        until="grep -q 1 /sys/devices/system/cpu/cpu1/online",
        undo=["echo 0 >/sys/devices/system/cpu/cpu1/online", EJECT],
        gone="! test -e /sys/devices/system/cpu/cpu1"),
    "cpu-boot": Kind("the CPU that cannot be switched off: it has no attribute `online`",
                     sysfs="/sys/devices/system/cpu/cpu0"),

    # disks
    "disk-virtio": Kind(
        "the disk of a virtual machine, with two partitions", load="virtio_pci virtio_blk",
        args=[*DISK, *vm.pci_ports(1)], do=[plug("virtio-blk-pci", drive="disk", bus="port1")],
        until="test -e /sys/class/block/vda2", undo=[EJECT], gone="! test -e /sys/class/block/vda"),
    "disk-usb": Kind(
        "a USB stick with two partitions", load="xhci_pci usb_storage sd_mod", args=[*DISK, *vm.USB],
        do=[plug("usb-storage", drive="disk", removable=True)], until="test -e /sys/class/block/sda2",
        undo=[UNPLUG], gone="! test -e /sys/class/block/sda"),
    "disk-scsi": Kind(
        "a SCSI disk with two partitions", load="virtio_pci virtio_scsi sd_mod sg",
        args=[*DISK, "-device", "virtio-scsi-pci,id=scsi"], do=[plug("scsi-hd", drive="disk")],
        until="test -e /sys/class/block/sda2"),
    "disk-nvme": Kind(
        "an NVMe disk with two partitions", load="nvme", args=[*DISK, *vm.pci_ports(1)],
        do=[plug("nvme", drive="disk", serial="1234", bus="port1")], until="test -e /sys/class/block/nvme0n1p2"),
    "disk-mmc": Kind(
        "an SD card with two partitions in a reader on PCI", have="sdhci_pci mmc_block",
        args=[*DISK, "-device", "sdhci-pci", "-device", "sd-card,drive=disk"],
        do=["modprobe mmc_block", "modprobe sdhci_pci"], until="test -e /sys/class/block/mmcblk0p2"),
    "cdrom": Kind(
        "a CD drive with a disc, on SATA", load="sr_mod sg", have="ahci",
        args=[*CDROM, "-device", "ide-cd,drive=cdrom"], do=["modprobe ahci"], until="test -e /sys/class/block/sr0"),
    "cdrom-usb": Kind(
        "a CD drive with a disc, on USB", load="xhci_pci usb_storage sr_mod", args=[*CDROM, *vm.USB],
        do=[plug("usb-storage", drive="cdrom")], until="test -e /sys/class/block/sr0"),
    "disk-loop": Kind(
        "a loop device: it exists before it has a file, which is told by `change`", have="loop",
        do=["modprobe loop max_loop=1", "dd if=/dev/zero of=/tmp/image bs=1M count=4", "losetup /dev/loop0 /tmp/image"],
        until="grep -q 8192 /sys/class/block/loop0/size", undo=["losetup -d /dev/loop0"]),
    "disk-zram": Kind(
        "a compressed RAM disk", have="zram", do=["modprobe zram", "echo 4M >/sys/block/zram0/disksize"],
        until="grep -q 8192 /sys/class/block/zram0/size"),

    # terminals
    "serial-pci": Kind(
        "a serial port on PCI: the driver replaces one of the phantom ports of serial8250",
        args=[*vm.pci_ports(1), "-chardev", "null,id=wire", "-device", "pcie-pci-bridge,id=slots,bus=port1"],
        do=[plug("pci-serial", chardev="wire", bus="slots", addr="1")],
        until="ls -d /sys/devices/pci*/*/*/*/tty/ttyS*"),
    "serial-builtin": Kind(
        "two real serial ports, and two phantoms with type 0", sysfs="/sys/class/tty/ttyS[0-3]"),
    "serial-usb": Kind(
        "a USB serial adapter (FTDI)", load="xhci_pci ftdi_sio", args=[*vm.USB, "-chardev", "null,id=wire"],
        do=[plug("usb-serial", chardev="wire", **{"always-plugged": True})],
        until="test -e /sys/class/tty/ttyUSB0", undo=[UNPLUG], gone="! test -e /sys/class/tty/ttyUSB0"),
    "serial-modem": Kind(
        "a USB modem (CDC ACM): a gadget on dummy_hcd", load="dummy_hcd libcomposite cdc_acm", have="usb_f_acm",
        do=[usb_gadget("acm.0")], until="test -e /sys/class/tty/ttyACM0", only=GADGET_HOST),
    "console-terminals": Kind(
        "terminals that are no serial ports",
        sysfs="/sys/class/tty/tty0 /sys/class/tty/tty1 /sys/class/tty/console /sys/class/tty/ptmx"),

    # the rest
    "bluetooth": Kind(
        "a Bluetooth controller: hci_vhci, therefore virtual", load="hci_vhci",
        do=[r"exec 9<>/dev/vhci; printf '\377\000' >&9"], until="test -e /sys/class/bluetooth/hci0",
        undo=["exec 9>&-"], gone="! test -e /sys/class/bluetooth/hci0"),
    "printer": Kind(
        "a USB printer: a gadget on dummy_hcd", load="dummy_hcd libcomposite usblp", have="usb_f_printer",
        do=[usb_gadget("printer.0", "echo 'MFG:Linux;MDL:Gadget;CLS:PRINTER;' >pnp_string")],
        until="test -e /sys/class/usbmisc/lp0", undo=["echo >/sys/kernel/config/usb_gadget/g/UDC"],
        gone="! test -e /sys/class/usbmisc/lp0", only=GADGET_HOST),
    "camera": Kind(
        "a USB camera: a gadget on usbip's virtual bus, driven by uvcvideo; of its two video nodes, index 0 has the\n"
        "picture and index 1 the metadata",
        load="vhci_hcd usbip_vudc libcomposite usb_f_uvc uvcvideo", do=[usb_gadget("uvc.0", """
            mkdir control/header/h
            for s in fs ss; do ln -s control/header/h control/class/$s/h; done
            mkdir -p streaming/mjpeg/m/f && cd streaming/mjpeg/m/f && echo 640 >wWidth && echo 360 >wHeight
            echo 5000000 >dwFrameInterval && cd ../../..
            mkdir header/h && ln -s mjpeg/m header/h/m
            for s in fs hs ss; do ln -s header/h class/$s/h; done""", port="usbip-vudc.0"),
            "camera /dev/$(basename /sys/devices/platform/usbip-vudc.0/*/video4linux/video*) &", "sleep 1; usbcable"],
        until="ls -d /sys/devices/platform/vhci_hcd.0/usb*/*/*/video4linux/video*",
        only=r"/devices/platform/vhci_hcd\.0/"),
    "camera-virtual": Kind(
        "vivid, a virtual camera: several video nodes that only their name tells apart", have="vivid",
        do=["modprobe vivid node_types=0x0101"], until="test -e /sys/class/video4linux/video1"),
    "usb-device": Kind(
        "a USB device for which there is no driver (a smart card reader)", load="xhci_pci", args=vm.USB,
        do=[plug("usb-ccid")], until="test -e /sys/bus/usb/devices/1-1:1.0", undo=[UNPLUG],
        gone="! test -e /sys/bus/usb/devices/1-1:1.0"),
    "usb-hub": Kind("a USB hub", load="xhci_pci", args=vm.USB, do=[plug("usb-hub")],
                    until="test -e /sys/bus/usb/devices/1-1:1.0"),
    "pci-device": Kind("a PCI device for which there is no driver", args=vm.pci_ports(1),
                       do=[plug("edu", bus="port1")], until="grep -l 0x11e8 /sys/bus/pci/devices/*/device",
                       undo=[EJECT], gone="! grep -l 0x11e8 /sys/bus/pci/devices/*/device"),
    "battery": Kind("the battery of a laptop (ACPI)", have="battery", args=LAPTOP, do=["modprobe battery"],
                    until="test -e /sys/class/power_supply/BAT0", undo=["modprobe -r battery"],
                    gone="! test -e /sys/class/power_supply/BAT0"),
    "mains": Kind("the mains adapter of a laptop (ACPI)", have="ac", args=LAPTOP, do=["modprobe ac"],
                  until="test -e /sys/class/power_supply/AC0"),
    "battery-of-mouse": Kind(
        "a mouse on uhid with a battery of its own, which is not the computer's", load=f"{INPUT} uhid",
        do=["batterymouse & echo $! >/tmp/pid"], until="test -e /sys/class/power_supply/*",
        undo=["kill $(cat /tmp/pid)"], gone="! test -e /sys/class/power_supply/*"),
    "module": Kind("what is announced outside of /devices when modules are loaded and removed: no devices",
                   have="usbhid dummy pcspkr", do=["modprobe usbhid", "modprobe pcspkr", "modprobe dummy"],
                   until="test -e /sys/module/dummy",
                   undo=["modprobe -r dummy", "modprobe -r usbhid", "modprobe -r pcspkr"],
                   gone="! test -e /sys/module/pcspkr", only="/(module|bus|class|kernel)/"),
}

# ---- recording ---------------------------------------------------------------

@dataclasses.dataclass
class Block:
    """One block of the format: a device as it was at one event, or in sysfs."""
    devpath: str
    lines: list
    from_sysfs: bool = False
    later: list = dataclasses.field(default_factory=list)

    def text(self):
        return "\n".join([*(["# from sysfs"] if self.from_sysfs else []), f"device {self.devpath}", *self.lines,
                          *(f"# later: {line}" for line in self.later)]) + "\n"

    def action(self):
        return next((line[9:] for line in self.lines if line.startswith("E ACTION=")), "")

    def facts(self):
        """The lines that can change without an event."""
        return [line for line in self.lines if line[0] in "AD"]


def blocks(text, from_sysfs=False):
    """Reads the recorder's output, without noise."""
    result = []
    for part in filter(None, (p.strip("\n") for p in text.split("\n\n"))):
        head, *lines = part.split("\n")
        keep = [line for line in lines if not (line[0] == "A" and line[2:].split("=")[0] in NOISE)]
        result.append(Block(head.removeprefix("device "), keep, from_sysfs))
    return result


def quiet(guest):
    """Waits until no more events come, and returns all since the last call."""
    size, since = "", time.monotonic()
    while time.monotonic() - since < 2:
        now = guest.must("wc -c </tmp/events")
        if now != size:
            size, since = now, time.monotonic()
        time.sleep(0.25)
    return guest.must("cat /tmp/events; : >/tmp/events", timeout=300)


def steps(guest, todo, until):
    """Does the steps, then waits until the shell text is true."""
    for step in todo:
        if isinstance(step, Step):
            step.do(guest)
        else:
            guest.must(step)
    if until:
        guest.until(until, timeout=120)


def record(name, kind, files):
    """Boots a guest, records a kind, and returns {file name: text}."""
    args = [a.format(**files) for a in kind.args]
    with vm.Guest(modules=f"{kind.load} {kind.have}".split(), args=args, append=kind.append, vga=kind.vga,
                  firmware=kind.firmware, mem=768, ready=300,
                  files=files["programs"]) as guest:
        for module in kind.load.split():
            guest.must(f"modprobe {module}")
        steps(guest, kind.before, "")
        time.sleep(2)                                # till the events of all that are over
        guest.must("record listen /tmp/events & :")
        guest.until("test -e /tmp/events")
        steps(guest, kind.do, kind.until)
        events = [b for b in blocks(quiet(guest)) if re.match(kind.only, b.devpath)]

        paths = dict.fromkeys(f"/sys{b.devpath}" for b in events)
        there = guest.must(f"for p in {' '.join(paths)} {kind.sysfs}; do [ ! -e $p ] || echo $p; done").split()
        now = {b.devpath: b for b in blocks(guest.must(f"record sysfs {' '.join(there)}"), True)} if there else {}
        last = {b.devpath: b for b in events}
        for devpath, block in last.items():
            if devpath in now and block.action() != "remove":
                block.later = [line for line in now[devpath].facts() if line not in block.facts()]
        before = [b for devpath, b in now.items() if devpath not in last]
        before.sort(key=lambda b: b.devpath.split("/"))
        kernel = guest.must("uname -r; uname -v").replace("\n", " ")
        result = {f"{name}.txt": text_of(name, kind, kernel, "", [*before, *events])}
        if kind.undo:
            steps(guest, kind.undo, kind.gone)
            events = [b for b in blocks(quiet(guest)) if re.match(kind.only, b.devpath)]
            result[f"unplug/{name}.txt"] = text_of(name, kind, kernel, "then ", events)
        return result


def text_of(name, kind, kernel, what, found):
    """A data file: how it was made, then the blocks."""
    def shown(todo):
        return "; ".join(step.shown if isinstance(step, Step) else textwrap.dedent(step).strip().replace("\n", "\n#   ")
                         for step in todo)
    head = [f"{name}: {kind.about}".replace("\n", "\n# "),
            f"recorded by record_events.py in QEMU: Linux {kernel}, no udev"]
    if kind.args:
        head.append("QEMU: " + re.sub(r"file=\{(\w+)\}", r"\1", " ".join(kind.args)))
    if kind.load:
        head.append(f"modules loaded before: {kind.load}")
    head.append(f"{what}done: {shown(kind.undo if what else kind.do) or 'nothing'}")
    return "".join(f"# {line}\n" for line in head) + "\n" + "\n".join(b.text() for b in found)


# ---- files that guests need ----------------------------------------------------

def disk_image(path):
    """A disk of 16 MiB with two Linux partitions."""
    entries = b"".join(struct.pack("<B3sB3sII", 0, b"\0\2\0", 0x83, b"\0\2\0", start, 8192) for start in (2048, 16384))
    with open(path, "wb") as f:
        f.truncate(16 << 20)
        f.seek(440)
        f.write(struct.pack("<IH", 0x64657631, 0) + entries.ljust(64, b"\0") + b"\x55\xaa")


def make_files(scratch):
    """Compiles the programs and writes the images; returns {name: path}, and under "programs" all for the guest."""
    # The shell's own ip knows no veth, the real one comes along.
    files = {"programs": vm.with_libs({"/host/ip": shutil.which("ip") or "/bin/ip"})}
    for source in sorted((HERE / "record").glob("*.c")):
        program = scratch / source.stem
        vm.run("gcc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O1", "-static", "-o", str(program), str(source))
        files["programs"][f"/bin/{source.stem}"] = program
    files["laptop"] = scratch / "laptop.aml"
    vm.run("iasl", "-p", str(scratch / "laptop"), str(HERE / "record/laptop.asl"))
    files["cdrom"] = scratch / "cdrom"
    files["cdrom"].write_bytes(bytes(2 << 20))
    files["ovmf"] = "/usr/share/ovmf/OVMF.fd"
    return files


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=pathlib.Path, default=DATA)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help="of: " + " ".join(KINDS))
    options = parser.parse_args()
    if unknown := set(options.kinds) - KINDS.keys():
        parser.error(f"no such kind: {' '.join(sorted(unknown))}")
    failed = []
    with tempfile.TemporaryDirectory() as tmp, concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        scratch = pathlib.Path(tmp)
        files = make_files(scratch)

        def one(name):
            disk = scratch / f"{name}.disk"
            disk_image(disk)
            return record(name, KINDS[name], {**files, "disk": disk})

        jobs = {pool.submit(one, name): name for name in options.kinds or KINDS}
        for job in concurrent.futures.as_completed(jobs):
            try:
                for name, text in job.result().items():
                    (options.out / name).parent.mkdir(parents=True, exist_ok=True)
                    (options.out / name).write_text(text)
                    print(f"{name}: {text.count(chr(10) + 'device ')} blocks, {len(text)} bytes", flush=True)
            except (vm.GuestError, OSError) as e:
                failed.append(jobs[job])
                print(f"{jobs[job]}: FAILED: {e}", file=sys.stderr, flush=True)
    if failed:
        sys.exit(f"not recorded: {' '.join(sorted(failed))}")


if __name__ == "__main__":
    main()
