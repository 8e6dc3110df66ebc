namespace Pando.Exec.Native;

/// <summary>Linux's error numbers, as positive numbers (asm-generic/errno.h).</summary>
#pragma warning disable CS1591 // The names are the documentation: errno(3).
internal static class Error
{
    internal const long EPERM = 1;
    internal const long ENOENT = 2;
    internal const long ESRCH = 3;
    internal const long EINTR = 4;
    internal const long EIO = 5;
    internal const long ENXIO = 6;
    internal const long E2BIG = 7;
    internal const long ENOEXEC = 8;
    internal const long EBADF = 9;
    internal const long ECHILD = 10;
    internal const long EAGAIN = 11;
    internal const long ENOMEM = 12;
    internal const long EACCES = 13;
    internal const long EFAULT = 14;
    internal const long EBUSY = 16;
    internal const long EEXIST = 17;
    internal const long ENODEV = 19;
    internal const long ENOTDIR = 20;
    internal const long EISDIR = 21;
    internal const long EINVAL = 22;
    internal const long ENFILE = 23;
    internal const long EMFILE = 24;
    internal const long ENOTTY = 25;
    internal const long ETXTBSY = 26;
    internal const long EFBIG = 27;
    internal const long ENOSPC = 28;
    internal const long ESPIPE = 29;
    internal const long EROFS = 30;
    internal const long EPIPE = 32;
    internal const long ERANGE = 34;
    internal const long ENAMETOOLONG = 36;
    internal const long ENOSYS = 38;
    internal const long ELOOP = 40;
    internal const long EIDRM = 43;
    internal const long EOVERFLOW = 75;
    internal const long ELIBBAD = 80;
    internal const long EILSEQ = 84;
    internal const long EMSGSIZE = 90;
    internal const long ENOTSOCK = 88;
    internal const long ENOTSUP = 95;
    internal const long EOPNOTSUPP = 95;
    internal const long ETIMEDOUT = 110;

    // What a call answers that a signal has interrupted, to whoever delivers the signal; programs never see these
    // (linux/errno.h).

    /// <summary>ERESTARTSYS: made again, but where a handler without SA_RESTART ran: EINTR.</summary>
    internal const long RestartSystemCall = 512;

    /// <summary>ERESTARTNOHAND: made again, but where a handler ran: EINTR.</summary>
    internal const long RestartNoHandler = 514;
}
