/* The program behind a UVC gadget: camera /dev/videoN
 *
 * The gadget shows up on its bus once somebody answers its control requests.
 * This answers those that uvcvideo asks before it announces the camera, and
 * sends no picture.  Static and without libraries, for the guests of
 * record_events.py.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/usb/ch9.h>
#include <linux/usb/g_uvc.h>
#include <linux/usb/video.h>
#include <linux/videodev2.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>

enum { STREAMING_INTERFACE = 1 };

/* The one stream on offer: MJPEG, 640x360, two pictures a second. */
static struct uvc_request_data offer(int length) {
    struct uvc_request_data data = {.length = length};
    struct {
        __u16 hint;
        __u8 format, frame;
        __u32 interval;
        __u16 unused[5];
        __u32 frame_size, payload_size;
    } __attribute__((packed)) probe = {.hint = 1, .format = 1, .frame = 1, .interval = 5000000,
                                       .frame_size = 640 * 360 * 2, .payload_size = 1024};
    memcpy(data.data, &probe, sizeof probe);
    return data;
}

int main(int argc, char **argv) {
    int fd = argc == 2 ? open(argv[1], O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        err(1, "usage: camera /dev/videoN");
    const int wanted[] = {UVC_EVENT_CONNECT, UVC_EVENT_DISCONNECT, UVC_EVENT_DATA, UVC_EVENT_SETUP};
    for (int i = 0; i < 4; i++) {
        struct v4l2_event_subscription s = {.type = wanted[i]};
        if (ioctl(fd, VIDIOC_SUBSCRIBE_EVENT, &s))
            err(1, "%s", argv[1]);
    }
    for (struct pollfd p = {fd, POLLPRI, 0}; poll(&p, 1, -1) >= 0;) {
        struct v4l2_event event;
        if (ioctl(fd, VIDIOC_DQEVENT, &event) || event.type != UVC_EVENT_SETUP)
            continue;
        struct usb_ctrlrequest request;
        memcpy(&request, event.u.data, sizeof request);
        int streaming = (request.wIndex & 0xff) == STREAMING_INTERFACE;
        int length = request.wLength <= 34 ? request.wLength : 34;
        struct uvc_request_data answer = {.length = -EL2HLT}; /* refused */
        if (streaming)
            answer = offer(length);
        if (streaming && request.bRequest == UVC_GET_INFO)
            answer.data[0] = UVC_CONTROL_CAP_GET | UVC_CONTROL_CAP_SET;
        if (streaming && request.bRequest == UVC_GET_LEN)
            answer.data[0] = 34, answer.data[1] = 0;
        if (ioctl(fd, UVCIOC_SEND_RESPONSE, &answer))
            warn("answer");
    }
}
