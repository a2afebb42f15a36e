/* Plugs a gadget on usbip-vudc.0 into the host controller vhci_hcd.0, in the same
 * machine.  Unlike dummy_hcd, the two have isochronous endpoints, as cameras need
 * them.  Static and without libraries, for the guests of record_events.py.
 */
#include <err.h>
#include <stdio.h>
#include <sys/socket.h>

static void tell(const char *path, const char *text) {
    FILE *f = fopen(path, "we");
    if (!f || fputs(text, f) < 0 || fclose(f))
        err(1, "%s", path);
}

int main(void) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends))
        err(1, "socketpair");
    char text[64];
    snprintf(text, sizeof text, "%d", ends[0]);
    tell("/sys/devices/platform/usbip-vudc.0/usbip_sockfd", text);
    enum { PORT = 0, DEVICE = 0x10001, HIGH_SPEED = 3 };
    snprintf(text, sizeof text, "%d %d %d %d", PORT, ends[1], DEVICE, HIGH_SPEED);
    tell("/sys/devices/platform/vhci_hcd.0/attach", text);
}
