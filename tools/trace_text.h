// The text of a trace: what happened to a machine, line by line. Scenarios of the tests are written
// in it, and `devmux simulate` reads it. A second line "recorded VERSION" says that a core was recorded
// (engine/recording/recorder.h): its trace has all that was fed, and nothing is simulated
// (trace_recorded.h). In both, \\, \& and \xNN are as in engine/recording/line_text.h.
//
//   devmux-trace 1
//   cmdline quiet splash           the kernel's command line (before the first moment)
//   jobs by-hand                   jobs end when a `job` line says so, not at once
//   device DEVPATH                 a device that sysfs has; its lines are indented below it:
//     SUBSYSTEM=input                a variable
//     attr.id/vendor=0627            an attribute; without "=": the file does not exist
//     inode=12                       its directory's inode, where a trace must tell devices apart
//     udev                           udev has a record of it; udev.ID_BUS=usb: with this property
//   snapshot                       the walk of sysfs found the devices above
//   snapshot behind                the same, and events that came meanwhile wait in the socket: they
//   caught-up                        follow, up to this line; only then conditions are asked
//   complete                       coldplug is complete
//   +1s                            time goes on
//   add DEVPATH                    an event: add, remove, change, move, bind, …; indented as above,
//     seqnum=7                       with a number of its own, or
//     synthetic                      made by somebody who wrote into the uevent file
//     from=DEVPATH                   of a move
//     gone                           sysfs was already further when it was read: it changes nothing there
//   udev add DEVPATH               udev's copy of an event: by default of one that the kernel did not send;
//                                    with the kernel's seqnum, udev has processed that one
//   hotplug add DEVPATH            the helper's copy
//   udevd idle                     udevd runs: idle or busy; or it is down, or absent (as at the begin)
//   sysfs DEVPATH                  what sysfs says from now on, unannounced: attributes, inode
//   sysfs gone DEVPATH             it has gone, and nobody said so
//   reads take 20ms                how long it takes to read attributes
//   file /path yes                 a file fact: yes, no or unknown
//   mounted /usr nfs4 server:/usr  a mount: where, its type and its source. Before the first one (begin with
//                                    the root, /) nothing is known of mounts
//   unmounted /usr                 the topmost mount there goes, and what is mounted on it
//   fstab /usr nfs server:/usr     a line of /etc/fstab that boot mounts; "bind" or "_netdev" may follow
//   link 3 eth0 running usable none  a link: its ifindex (IFINDEX of the device) and name; down, up or
//                                    running; the best of its addresses of IPv4 and of IPv6: none, local,
//                                    tentative or usable, or left out. Before the first one nothing is known
//   link 3 gone
//   route default4 yes 3           a route over these links, or "no": default4, default6 or an address
//   links lost                     messages were lost: nothing is known of links up to "links found"
//   runlevel 2                     what init has noted: 0 to 9, S or unknown (as at the begin)
//   script NAME 2345 016           the runlevels that start and stop an init script; - is none; behind it
//                                    "links": init has links of it in these, and acts
//   shutdown                       devmux shutdown; "shutdown cancelled" takes it back
//   modules loading                /proc/modules shows a module that loads; or: modules idle
//   waits UNIT TEXT                what a look at the unit's job finds from now on; or, of one that loads a
//   waits UNIT loading MODULE TEXT   module, which is not killed
//   job UNIT ok                    the unit's oldest job ends: ok, exit N, signal N, unseen
//   start UNIT, stop UNIT, restart-unit UNIT, refresh UNIT, reset UNIT, reset-latch UNIT    by hand
//   lost                           events were lost (a snapshot follows)
//   doubt resumed                  the same for another reason: overrun, truncated, malformed, udev,
//                                    resumed (from suspend), continued (after SIGSTOP), switched
//   crash [UNIT …]                 kill -9; the units named had a job that was not yet running
//   restart                        the engine begins again with what it saved
//   reload DIR                     the units of another folder, below the trace's own
#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "conditions/result.h"
#include "engine/model/configuration.h"
#include "engine/recording_file.h"
#include "tools/simulation.h"
#include "tools/trace_recorded.h"

namespace devmux {

using ConfigurationLoader = std::function<std::shared_ptr<const Configuration>(const std::string& dir)>;

// Plays the whole trace; a recording exactly, under its own units. `load("")` is the configuration to
// begin with. The error names the line of the trace.
Result<Played> play(std::string_view text, const std::string& file, const ConfigurationLoader& load);

// Plays lines without a head on a machine that runs already.
std::optional<Error> play_on(std::string_view text, const std::string& file, std::unique_ptr<Simulation>& simulation);

inline constexpr size_t kTraceBytes = kLargestRecording;

}  // namespace devmux
