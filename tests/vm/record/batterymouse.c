/* A wireless mouse with a battery, made through uhid: it answers the kernel until
 * it is killed.  Static and without libraries, for the guests of record_events.py.
 */
#include <err.h>
#include <fcntl.h>
#include <linux/input.h>
#include <linux/uhid.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const unsigned char descriptor[] = {
    0x05, 0x01, 0x09, 0x02, 0xa1, 0x01, 0x85, 0x01, /* mouse, report 1 */
    0x09, 0x01, 0xa1, 0x00,                         /* pointer */
    0x05, 0x09, 0x19, 0x01, 0x29, 0x03,             /* three buttons */
    0x15, 0x00, 0x25, 0x01, 0x95, 0x08, 0x75, 0x01, 0x81, 0x02,
    0x05, 0x01, 0x09, 0x30, 0x09, 0x31, 0x09, 0x38, /* x, y, wheel */
    0x15, 0x81, 0x25, 0x7f, 0x75, 0x08, 0x95, 0x03, 0x81, 0x06,
    0xc0,
    0x85, 0x02, 0x05, 0x06, 0x09, 0x20,             /* report 2: battery strength */
    0x15, 0x00, 0x26, 0x64, 0x00, 0x75, 0x08, 0x95, 0x01, 0xb1, 0x02,
    0xc0,
};

int main(void) {
    int fd = open("/dev/uhid", O_RDWR | O_CLOEXEC);
    if (fd < 0)
        err(1, "/dev/uhid");
    struct uhid_event e = {.type = UHID_CREATE2};
    snprintf((char *)e.u.create2.name, sizeof e.u.create2.name, "Logitech M720 Triathlon");
    snprintf((char *)e.u.create2.uniq, sizeof e.u.create2.uniq, "f4:73:35:aa:bb:cc");
    e.u.create2.bus = BUS_BLUETOOTH;
    e.u.create2.vendor = 0x046d;
    e.u.create2.product = 0xb015;
    e.u.create2.rd_size = sizeof descriptor;
    memcpy(e.u.create2.rd_data, descriptor, sizeof descriptor);
    if (write(fd, &e, sizeof e) != sizeof e)
        err(1, "uhid");
    for (struct uhid_event asked; read(fd, &asked, sizeof asked) > 0;)
        if (asked.type == UHID_GET_REPORT) {
            struct uhid_event reply = {.type = UHID_GET_REPORT_REPLY};
            reply.u.get_report_reply.id = asked.u.get_report.id;
            reply.u.get_report_reply.size = 2;
            reply.u.get_report_reply.data[0] = 2;
            reply.u.get_report_reply.data[1] = 80; /* per cent */
            if (write(fd, &reply, sizeof reply) != sizeof reply)
                err(1, "uhid");
        }
}
