/* Preloaded into a program, makes each of its syncs take SYNC_NS nanoseconds longer: a slow disk that costs nothing else.
 *
 * A tracer can delay a system call, too, but stops its whole program for it and makes every other call dearer. */

#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void wait_for_the_disk(void)
{
    const char *text = getenv("SYNC_NS");
    long long ns = text ? atoll(text) : 0;
    struct timespec left = {ns / 1000000000, ns % 1000000000};

    while (ns && nanosleep(&left, &left))
        ;
}

int fdatasync(int fd)
{
    wait_for_the_disk();
    return syscall(SYS_fdatasync, fd);
}

int fsync(int fd)
{
    wait_for_the_disk();
    return syscall(SYS_fsync, fd);
}
