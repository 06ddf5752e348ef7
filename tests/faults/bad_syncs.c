/* Preloaded into a program, makes its disk a bad one: each of its syncs takes SYNC_NS nanoseconds longer, and every
 * SYNC_FAILS-th of a process fails with EIO, for which a byte is added to the file SYNC_LOG; all three are compiled in,
 * since not every process inherits the environment. A write to a file that is open with O_DSYNC is a sync, too; one that
 * fails has written what it was given, as a disk may have.
 *
 * A tracer can do both to a system call, but stops its whole program for it and makes every other call dearer.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Wait for the disk; return whether this sync fails. */
static int sync_is_bad(void)
{
    static long long syncs;
    static volatile long long every = SYNC_FAILS;
    struct timespec left = {SYNC_NS / 1000000000, SYNC_NS % 1000000000};

    while (SYNC_NS && nanosleep(&left, &left))
        ;
    if (!every || __atomic_add_fetch(&syncs, 1, __ATOMIC_RELAXED) % every)
        return 0;
    int log = open(SYNC_LOG, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    syscall(SYS_write, log, "x", 1);
    close(log);
    errno = EIO;
    return 1;
}

int fdatasync(int fd)
{
    return sync_is_bad() ? -1 : syscall(SYS_fdatasync, fd);
}

int fsync(int fd)
{
    return sync_is_bad() ? -1 : syscall(SYS_fsync, fd);
}

ssize_t write(int fd, const void *data, size_t size)
{
    int flags = syscall(SYS_fcntl, fd, F_GETFL);
    ssize_t written = syscall(SYS_write, fd, data, size);

    if (written > 0 && flags != -1 && flags & O_DSYNC && sync_is_bad())
        return -1;
    return written;
}
