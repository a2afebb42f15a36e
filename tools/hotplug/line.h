// A line for people: of bounded size, without stdio, and said where somebody will find it.
#pragma once

#include <stddef.h>

// A record of the kernel's log takes 992 bytes or more (LOG_LINE_MAX, PRINTKRB_RECORD_MAX).
enum { kLineMaxBytes = 900 };

struct Line {
    size_t size;
    char bytes[kLineMaxBytes];
};

// Each appends what fits.
void put(struct Line* line, const char* text);
void put_number(struct Line* line, unsigned long long number);
// With \xNN for what a terminal or a log might take for more than text, and at most 200 bytes of
// it.
void put_printable(struct Line* line, const char* text);
void put_quoted(struct Line* line, const char* text);  // the same, in quotes

// To be called first: makes the descriptors 0 to 2 ours if they are not open, so that nothing that
// is opened later becomes one of them, and finds out whether anybody reads the standard error
// output. The kernel executes its helper with no open descriptor at all (kernel/umh.c).
void open_standard_descriptors(void);

// To be called where the standard error output is left behind.
void say_to_the_log_alone(void);

// "devmux-hotplug: WHAT", and the next step on a line of its own, or null. On the standard error
// output if that leads somewhere; else to the kernel's log, which is there from the first moment on
// and which every syslog daemon reads; else to syslog.
void say(const struct Line* what, const char* next_step);
