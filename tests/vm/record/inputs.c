/* Makes an input device through uinput and holds it: inputs KIND
 *
 * The bits are those that drivers of such hardware set.  Static and without
 * libraries, for the guests of record_events.py.
 */
#include <err.h>
#include <fcntl.h>
#include <linux/uinput.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { MOST = 32, END = -1 };

struct axis {
    int code, max, resolution;
};

struct kind {
    const char *kind, *name;
    unsigned short bus, vendor, product;
    int props[4], keys[MOST], rels[8], misc[4], switches[4];
    struct axis axes[16];
};

static const struct kind kinds[] = {
    {.kind = "touchpad", .name = "SynPS/2 Synaptics TouchPad",
     .bus = BUS_I8042, .vendor = 0x0002, .product = 0x0007,
     .props = {INPUT_PROP_POINTER, INPUT_PROP_BUTTONPAD, END},
     .keys = {BTN_LEFT, BTN_TOOL_FINGER, BTN_TOUCH, BTN_TOOL_DOUBLETAP, BTN_TOOL_TRIPLETAP,
              BTN_TOOL_QUADTAP, BTN_TOOL_QUINTTAP, END},
     .rels = {END}, .misc = {END}, .switches = {END},
     .axes = {{ABS_X, 5112, 42}, {ABS_Y, 3834, 42}, {ABS_PRESSURE, 255, 0}, {ABS_TOOL_WIDTH, 15, 0},
              {ABS_MT_SLOT, 4, 0}, {ABS_MT_POSITION_X, 5112, 42}, {ABS_MT_POSITION_Y, 3834, 42},
              {ABS_MT_TRACKING_ID, 65535, 0}, {ABS_MT_PRESSURE, 255, 0}, {END}}},
    {.kind = "touchscreen", .name = "ELAN Touchscreen",
     .bus = BUS_I2C, .vendor = 0x04f3, .product = 0x2d4a,
     .props = {INPUT_PROP_DIRECT, END},
     .keys = {BTN_TOUCH, END},
     .rels = {END}, .misc = {MSC_TIMESTAMP, END}, .switches = {END},
     .axes = {{ABS_X, 4096, 13}, {ABS_Y, 2304, 13}, {ABS_MT_SLOT, 9, 0}, {ABS_MT_POSITION_X, 4096, 13},
              {ABS_MT_POSITION_Y, 2304, 13}, {ABS_MT_TRACKING_ID, 65535, 0}, {END}}},
    {.kind = "pen-tablet", .name = "Wacom Intuos Pro M Pen",
     .bus = BUS_USB, .vendor = 0x056a, .product = 0x0357,
     .props = {INPUT_PROP_POINTER, END},
     .keys = {BTN_TOUCH, BTN_STYLUS, BTN_STYLUS2, BTN_STYLUS3, BTN_TOOL_PEN, BTN_TOOL_RUBBER, BTN_TOOL_BRUSH,
              BTN_TOOL_PENCIL, BTN_TOOL_AIRBRUSH, END},
     .rels = {END}, .misc = {MSC_SERIAL, END}, .switches = {END},
     .axes = {{ABS_X, 44800, 200}, {ABS_Y, 29600, 200}, {ABS_PRESSURE, 8191, 0}, {ABS_DISTANCE, 63, 0},
              {ABS_TILT_X, 63, 57}, {ABS_TILT_Y, 63, 57}, {END}}},
    {.kind = "gamepad", .name = "Microsoft X-Box 360 pad",
     .bus = BUS_USB, .vendor = 0x045e, .product = 0x028e,
     .props = {END},
     .keys = {BTN_A, BTN_B, BTN_X, BTN_Y, BTN_TL, BTN_TR, BTN_SELECT, BTN_START, BTN_MODE, BTN_THUMBL, BTN_THUMBR,
              END},
     .rels = {END}, .misc = {END}, .switches = {END},
     .axes = {{ABS_X, 32767, 0}, {ABS_Y, 32767, 0}, {ABS_Z, 255, 0}, {ABS_RX, 32767, 0}, {ABS_RY, 32767, 0},
              {ABS_RZ, 255, 0}, {ABS_HAT0X, 1, 0}, {ABS_HAT0Y, 1, 0}, {END}}},
    {.kind = "joystick", .name = "Logitech Inc. WingMan Extreme Digital 3D",
     .bus = BUS_USB, .vendor = 0x046d, .product = 0xc20b,
     .props = {END},
     .keys = {BTN_TRIGGER, BTN_THUMB, BTN_THUMB2, BTN_TOP, BTN_TOP2, BTN_PINKIE, BTN_BASE, END},
     .rels = {END}, .misc = {MSC_SCAN, END}, .switches = {END},
     .axes = {{ABS_X, 255, 0}, {ABS_Y, 255, 0}, {ABS_RZ, 255, 0}, {ABS_THROTTLE, 255, 0}, {ABS_HAT0X, 1, 0},
              {ABS_HAT0Y, 1, 0}, {END}}},
    {.kind = "remote", .name = "Logitech USB Receiver Consumer Control", /* volume keys of a mouse or headset */
     .bus = BUS_USB, .vendor = 0x046d, .product = 0xc52b,
     .props = {END},
     .keys = {KEY_MUTE, KEY_VOLUMEDOWN, KEY_VOLUMEUP, KEY_PLAYPAUSE, KEY_NEXTSONG, KEY_PREVIOUSSONG, KEY_WWW, END},
     .rels = {REL_HWHEEL, END}, .misc = {MSC_SCAN, END}, .switches = {END},
     .axes = {{ABS_VOLUME, 1023, 0}, {END}}},
    {.kind = "accelerometer", .name = "ST LIS3LV02DL Accelerometer",
     .bus = BUS_HOST, .vendor = 0x0000, .product = 0x0000,
     .props = {INPUT_PROP_ACCELEROMETER, END},
     .keys = {END}, .rels = {END}, .misc = {END}, .switches = {END},
     .axes = {{ABS_X, 2304, 0}, {ABS_Y, 2304, 0}, {ABS_Z, 2304, 0}, {END}}},
    {.kind = "headphone-switch", .name = "HDA Intel PCH Headphone", /* jacks of a sound card are inputs, too */
     .bus = 0, .vendor = 0x0000, .product = 0x0000,
     .props = {END}, .keys = {END}, .rels = {END}, .misc = {END}, .switches = {SW_HEADPHONE_INSERT, END},
     .axes = {{END}}},
};

static int fd;

static void set(unsigned long request, int bit) {
    if (ioctl(fd, request, bit))
        err(1, "uinput bit %d", bit);
}

/* Announces a type of event and its codes, if there are any. */
static void codes(int type, unsigned long request, const int *list) {
    if (*list != END)
        set(UI_SET_EVBIT, type);
    for (; *list != END; list++)
        set(request, *list);
}

int main(int argc, char **argv) {
    const struct kind *k = kinds, *last = kinds + sizeof kinds / sizeof *kinds;
    while (argc == 2 && k < last && strcmp(k->kind, argv[1]))
        k++;
    if (argc != 2 || k == last)
        errx(2, "usage: inputs KIND");
    if ((fd = open("/dev/uinput", O_RDWR | O_CLOEXEC)) < 0)
        err(1, "/dev/uinput");
    for (const int *p = k->props; *p != END; p++)
        set(UI_SET_PROPBIT, *p);
    codes(EV_KEY, UI_SET_KEYBIT, k->keys);
    codes(EV_REL, UI_SET_RELBIT, k->rels);
    codes(EV_MSC, UI_SET_MSCBIT, k->misc);
    codes(EV_SW, UI_SET_SWBIT, k->switches);
    if (k->axes[0].code != END)
        set(UI_SET_EVBIT, EV_ABS);
    for (const struct axis *a = k->axes; a->code != END; a++) {
        struct uinput_abs_setup abs = {a->code, {.maximum = a->max, .resolution = a->resolution}};
        if (ioctl(fd, UI_ABS_SETUP, &abs))
            err(1, "axis %d", a->code);
    }
    struct uinput_setup setup = {.id = {k->bus, k->vendor, k->product, 1}};
    snprintf(setup.name, sizeof setup.name, "%s", k->name);
    if (ioctl(fd, UI_DEV_SETUP, &setup) || ioctl(fd, UI_DEV_CREATE))
        err(1, "uinput");
    pause();
}
