// Shared and private memory across fork; files mapped, written, truncated; System V segments.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

static sigjmp_buf back;
static void bus(int s) { siglongjmp(back, s); }

int main(void) {
    int *shared = mmap(0, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int *private = mmap(0, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *private = 1; *shared = 1;
    for (int i = 0; i < 5; i++) if (!fork()) { __sync_fetch_and_add(shared, 10); *private += 10; private[1000 * i] = i; _exit(*private); }
    int sum = 0, status;
    while (wait(&status) > 0) sum += WEXITSTATUS(status);
    printf("shared %d private %d children %d\n", *shared, *private, sum);

    int f = open("file", O_RDWR | O_CREAT | O_TRUNC, 0644);
    if (ftruncate(f, 5 * 4096)) return 1;
    char *m = mmap(0, 16 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, f, 0);
    char *p = mmap(0, 16 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, f, 0);
    strcpy(m + 4096, "stored");
    char b[16] = {0};
    if (pread(f, b, 6, 4096) != 6) return 2;
    printf("read what was stored: %s\n", b);
    if (pwrite(f, "written", 7, 8192) != 7) return 3;
    printf("see what was written: %.7s %.7s\n", m + 8192, p + 8192);
    p[8192] = 'P';
    printf("private copy: %.7s, file %.7s\n", p + 8192, m + 8192);
    signal(SIGBUS, bus);
    if (!sigsetjmp(back, 1)) { m[5 * 4096] = 1; puts("no signal"); } else puts("past the end: SIGBUS");
    if (ftruncate(f, 20 * 4096)) return 4;
    m[5 * 4096] = 'g';
    puts("grown: stored");
    if (ftruncate(f, 4096)) return 5;
    if (!sigsetjmp(back, 1)) { printf("%d\n", m[2 * 4096]); puts("no signal"); } else puts("truncated: SIGBUS");
    if (!sigsetjmp(back, 1)) { printf("%d\n", p[8192]); puts("no signal"); } else puts("truncated, private: SIGBUS");
    if (ftruncate(f, 5 * 4096)) return 6;
    printf("zero again: %d %d\n", m[2 * 4096], p[8192]);
    printf("msync %d\n", msync(m, 4096, MS_SYNC));
    if (!fork()) { m[100] = 'c'; p[100] = 'c'; _exit(0); }
    wait(&status);
    printf("after a child: %c %d\n", m[100], p[100]);
    int ro = open("file", O_RDONLY);
    char *r = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ro, 0);
    printf("read-only descriptor: %s\n", r == MAP_FAILED ? strerror(errno) : "mapped");
    r = mmap(0, 4096, PROT_READ, MAP_SHARED, ro, 0);
    printf("mprotect: %s\n", mprotect(r, 4096, PROT_READ | PROT_WRITE) ? strerror(errno) : "done");
    printf("misaligned: %s\n", mmap(0, 4096, PROT_READ, MAP_SHARED, ro, 5) == MAP_FAILED ? strerror(errno) : "mapped");
    printf("no file: %s\n", mmap(0, 4096, PROT_READ, MAP_SHARED, 99, 0) == MAP_FAILED ? strerror(errno) : "mapped");
    char *grown = mremap(m, 16 * 4096, 64 * 4096, MREMAP_MAYMOVE);
    printf("remapped: %c\n", grown[100]);

    int id = shmget(IPC_PRIVATE, 100000, IPC_CREAT | 0600);
    char *one = shmat(id, 0, 0), *two = shmat(id, 0, SHM_RDONLY);
    struct shmid_ds d;
    strcpy(one, "segment");
    shmctl(id, IPC_STAT, &d);
    printf("%s, size %zu, attached %d\n", two, d.shm_segsz, (int)d.shm_nattch);
    if (!fork()) { strcpy(one + 50, "child"); _exit(shmctl(id, IPC_STAT, &d) ? 9 : (int)d.shm_nattch); }
    wait(&status);
    printf("child saw %d attached, left %s\n", WEXITSTATUS(status), two + 50);
    shmctl(id, IPC_RMID, 0);
    shmdt(one); 
    printf("still %s\n", two);
    shmdt(two);
    printf("gone: %s\n", shmctl(id, IPC_STAT, &d) ? strerror(errno) : "no");

    int fd = memfd_create("m", MFD_CLOEXEC);
    if (ftruncate(fd, 1 << 20)) return 7;
    char *x = mmap(0, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), *y = mmap(0, 1 << 20, PROT_READ, MAP_SHARED, fd, 0);
    strcpy(x + 777777, "memfd");
    printf("%s\n", y + 777777);
    return 0;
}
