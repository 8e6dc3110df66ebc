using Pando.Files;
using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;
using static Pando.Tests.Concurrency.RaceWorld;

namespace Pando.Tests.Concurrency;

/// <summary>
/// Memory of a process that a handler fills with sevens: of its pages, the first does not exist, the second does, the
/// third does and is protected against stores (of a large page all are but the second), and the fourth the file has, where there is one, but the process does not show it yet. It
/// knows, of each page, what has been allowed so far, and tests each access for it.
/// </summary>
/// <remarks>
/// What allows something is noted before it is done, and an access looks at the note after it is done: whatever comes between
/// the two, an access that did what nobody had allowed is found.
/// </remarks>
internal sealed class WatchedMemory : IUserFaultHandler
{
    public const int Pages = 4;

    private const byte Given = 7;
    private const byte Stored = 9;
    private const int StoredAt = 16;

    private readonly long _page;
    private readonly byte[] _contents;
    private readonly UserFaultModes _modes;
    private readonly WatchedKind _kind;
    private readonly AddressSpace _space;
    private readonly MemoryFile? _file;
    private readonly SoftwareProcessor _processor;
    private readonly SoftwareProcessor _other;
    private readonly AddressSpace? _elsewhere;

    // Of each page: whether it may read as zeroes, be shown at all, be stored to, and be no memory.
    private readonly bool[] _mayBeZero = new bool[Pages];
    private readonly bool[] _mayBeShown = new bool[Pages];
    private readonly bool[] _mayBeStored = new bool[Pages];
    private readonly bool[] _mayFail = new bool[Pages];

    // Whether some of it may not be registered, or in another way, so that a handler's requests are refused.
    private bool _mayRefuse;

    public WatchedMemory(WatchedKind kind)
    {
        _kind = kind;
        bool isHuge = kind == WatchedKind.HugeFile;
        bool isLarge = kind == WatchedKind.PartsOfLargePage;
        World = new RaceWorld(largePages: isHuge || isLarge, ram: (isHuge || isLarge ? 16 : 4) * Mebi);
        _page = isHuge ? 2 * Mebi : Page;
        _contents = isHuge ? HugeContents : SmallContents;
        _file = kind == WatchedKind.Anonymous ? null : World.Known(
            isHuge ? World.Machine.CreateHugeFile("memory", Pages * _page)
            : isLarge ? World.Machine.CreateMemoryFile("memory", 4 * Mebi, 2 * Mebi)
            : World.Machine.CreateMemoryFile("memory", Pages * _page));
        _modes = UserFaultModes.WriteProtect | (isLarge ? 0 : UserFaultModes.Missing) | (kind == WatchedKind.SharedFileWithMinorFaults ? UserFaultModes.Minor : 0);
        var request = kind switch
        {
            WatchedKind.Anonymous => MapRequest.Anonymous(Pages * _page, Rights.ReadWrite),
            WatchedKind.PrivateFile => MapRequest.PrivateFile(_file!, Rights.ReadWrite),
            _ => MapRequest.SharedFile(_file!, Rights.ReadWrite),
        };
        if (_file is not null)
        {
            _elsewhere = World.Space(MapRequest.SharedFile(_file, Rights.ReadWrite));
        }

        _other = World.Machine.AddProcessor();
        _other.Switch(_elsewhere);
        for (int page = _file is null ? Pages : isLarge ? 0 : 3; page < Pages; page++)
        {
            Assert.True(_other.TryWrite(AddressOf(page), Given).IsCompleted);
            Assert.True(_other.TryWrite(AddressOf(page) + StoredAt, Given).IsCompleted);
        }

        _space = World.Space(request);
        _processor = World.Processor(_space);
        Succeeds(_space.RegisterUserFaults(At, isLarge ? 2 * Mebi : Pages * _page, _modes, this));
        if (isLarge)
        {
            // One leaf shows them all, and cannot be stored through, also where a page is free.
            Assert.True(_processor.TryWrite(AddressOf(1), Given).IsCompleted);
            Succeeds(_space.UserWriteProtect(At, 2 * Mebi, protect: true));
            Succeeds(_space.UserWriteProtect(AddressOf(1), _page, protect: false));
        }
        else
        {
            Succeeds(_space.UserCopy(AddressOf(1), _contents));
            Succeeds(_space.UserCopy(AddressOf(2), _contents, writeProtect: true));
        }

        Array.Fill(_mayBeStored, !isLarge);
        _mayBeStored[1] = true;
        _mayBeStored[2] = false;

        // Everything but the first page and the last is shown, by what has just been done.
        _mayBeShown[1] = _mayBeShown[2] = true;
    }

    public RaceWorld World { get; }

    private static byte[] SmallContents { get; } = [.. Enumerable.Repeat(Given, (int)Page)];

    private static byte[] HugeContents { get; } = [.. Enumerable.Repeat(Given, 2 * (int)Mebi)];

    private bool IsShared => _kind is not (WatchedKind.Anonymous or WatchedKind.PrivateFile);

    public bool Handle(AddressSpace space, VirtualAddress address, UserFaultKind kind, AccessKind access)
    {
        int page = (int)((address - At) / _page);
        try
        {
            switch (kind)
            {
                case UserFaultKind.Missing:
                    Copy(page, protect: false);
                    break;
                case UserFaultKind.Minor:
                    Continue(page, protect: false);
                    break;
                default:
                    LetGo(page, 1);
                    break;
            }
        }
        catch (ObjectDisposedException)
        {
            // The space has ended: the access is told so when it is made again.
        }

        return true;
    }

    /// <summary>Does something, unless the space has ended.</summary>
    public void Try(Action<WatchedMemory> operation)
    {
        try
        {
            operation(this);
        }
        catch (ObjectDisposedException) when (_mayFail[0])
        {
            // It may have ended.
        }
    }

    public void Load(int page)
    {
        foreach (int at in (ReadOnlySpan<int>)[0, StoredAt])
        {
            var result = _processor.TryRead(AddressOf(page) + at, out byte value);
            Point();
            Assert.True(result.IsCompleted || _mayFail[page], $"a load of page {page}: {result}");
            Assert.True(
                !result.IsCompleted || value == Given || (value == 0 && _mayBeZero[page]) || (value == Stored && at == StoredAt && _mayBeStored[page]),
                $"byte {at} of page {page} reads {value}");
            Assert.True(!result.IsCompleted || IsAllowedToBeShown(page), $"page {page} was read, and nobody had it shown");
        }
    }

    public void Store(int page)
    {
        var result = _processor.TryWrite(AddressOf(page) + StoredAt, Stored);
        Point();
        Assert.True(result.IsCompleted || _mayFail[page], $"a store to page {page}: {result}");
        Assert.True(!result.IsCompleted || _mayBeStored[page], $"a store to page {page}, which is protected, has completed");
        Assert.True(!result.IsCompleted || IsAllowedToBeShown(page), $"page {page} was stored to, and nobody had it shown");
    }

    public void Populate()
    {
        var result = _space.Populate(AddressRange.FromLength(At, Pages * _page), AccessKind.Write);
        Point();
        Assert.True(result.IsResolved || Array.Exists(_mayFail, may => may), result.ToString());
    }

    public void Copy(int page, bool protect)
    {
        if (_kind == WatchedKind.PartsOfLargePage)
        {
            Assert.True(_space.UserCopy(AddressOf(page), _contents, protect) is Errno.EINVAL or Errno.ENOENT or Errno.EFAULT);
            return;
        }

        _mayBeShown[page] = true;
        _mayBeStored[page] |= !protect;
        Point();
        Answered(_space.UserCopy(AddressOf(page), _contents, protect), page);
    }

    public void Zero(int page)
    {
        if (_kind is WatchedKind.HugeFile or WatchedKind.PartsOfLargePage)
        {
            return;
        }

        _mayBeZero[page] = _mayBeShown[page] = _mayBeStored[page] = true;
        Point();
        Answered(_space.UserZero(AddressOf(page), _page), page);
    }

    public void Continue(int page, bool protect)
    {
        if (!IsShared)
        {
            return;
        }

        _mayBeShown[page] = true;
        _mayBeStored[page] |= !protect;
        Point();
        var outcome = _space.UserContinue(AddressOf(page), _page, protect);

        // EFAULT, or EINVAL past the end: a hole was made meanwhile.
        Assert.True(outcome is Errno.None or Errno.EEXIST or Errno.EFAULT or Errno.EINVAL || (outcome == Errno.ENOENT && (_mayFail[page] || _mayRefuse)), outcome.ToString());
    }

    public void Protect(int page, int count)
    {
        long length = _kind == WatchedKind.PartsOfLargePage && count == Pages ? 2 * Mebi : count * _page;
        var outcome = _space.UserWriteProtect(AddressOf(page), length, protect: true);
        Assert.True(outcome == Errno.None || (outcome == Errno.ENOENT && (_mayRefuse || Array.Exists(_mayFail, may => may))), outcome.ToString());
    }

    public void LetGo(int page, int count)
    {
        Array.Fill(_mayBeStored, true, page, count);
        Point();
        var outcome = _space.UserWriteProtect(AddressOf(page), count * _page, protect: false);
        Assert.True(outcome == Errno.None || (outcome == Errno.ENOENT && (_mayRefuse || Array.Exists(_mayFail, may => may))), outcome.ToString());
    }

    public void Unregister(int page, int count)
    {
        _mayRefuse = true;
        LetsGoOf(page, count);
        var outcome = _space.UnregisterUserFaults(AddressOf(page), count * _page, this);
        Assert.True(outcome == Errno.None || _mayFail[page], outcome.ToString());
    }

    /// <summary>Other modes take the place of those before: what is not asked for any more is free.</summary>
    public void RegisterAnew(UserFaultModes modes)
    {
        _mayRefuse = true;
        Array.Fill(_mayBeStored, true);
        Array.Fill(_mayBeShown, true);
        Point();
        var outcome = _space.RegisterUserFaults(At, Pages * _page, modes, new Forwarder(this));
        Assert.True(outcome is Errno.EBUSY || _mayFail[0], outcome.ToString());
        if (outcome == Errno.EBUSY)
        {
            outcome = _space.RegisterUserFaults(At, Pages * _page, modes, this);
            Assert.True(outcome == Errno.None || Array.Exists(_mayFail, may => may), outcome.ToString());
        }
    }

    public void Punch(int page, int count)
    {
        if (_file is null)
        {
            return;
        }

        // Anonymous copies stay; what is not there is the handler's to give, and free of protection when it does. Of a large page
        // a part is cleared.
        ClearsParts(page, count);
        Succeeds(_file.PunchHole(page * _page, count * _page));
    }

    public void Resize(int pages)
    {
        if (_file is null)
        {
            return;
        }

        // Past the end there is no memory for a while.
        Array.Fill(_mayFail, true, 1, Pages - 1);
        ClearsParts(1, Pages - 1);
        Point();
        Succeeds(_file.SetSize(pages * _page));
    }

    public void Unmap(int page, int count)
    {
        Array.Fill(_mayFail, true, page, count);
        Point();
        Succeeds(_space.Unmap(AddressOf(page), count * _page));
    }

    public void Move(int page, int count)
    {
        // The handler does not follow; here nothing is left.
        Array.Fill(_mayFail, true, page, count);
        Point();
        var result = _space.Remap(AddressOf(page), count * _page, count * _page, RemapFlags.MayMove | RemapFlags.Fixed, At + Gibi);
        Assert.True(result.Succeeded || (count > 1 && result.Error == Errno.EFAULT), result.ToString());
    }

    public void Allow(int page, int count, Rights rights)
    {
        Array.Fill(_mayFail, true, page, count);
        Point();
        Succeeds(_space.Protect(AddressOf(page), count * _page, rights));
    }

    public void Drop(int page, int count)
    {
        if (_kind == WatchedKind.Anonymous)
        {
            // With the page its protection goes.
            Array.Fill(_mayBeStored, true, page, count);
        }

        Point();
        Succeeds(_space.Advise(AddressOf(page), count * _page, Advice.DontNeed));
    }

    public void Remove(int page, int count)
    {
        ClearsParts(page, count);
        var outcome = _space.Advise(AddressOf(page), count * _page, Advice.Remove);
        Assert.True(outcome is Errno.None or Errno.EINVAL or Errno.EACCES, outcome.ToString());
    }

    public void Fork(bool ends)
    {
        var child = _space.Fork();
        Assert.NotNull(child);
        if (ends)
        {
            child.Exit();
        }
    }

    public void Exit()
    {
        Array.Fill(_mayFail, true);
        Point();
        _space.Exit();
    }

    /// <summary>A process that maps the file and has no handler: what it touches, the file has.</summary>
    public void TouchElsewhere()
    {
        if (_file is null)
        {
            return;
        }

        foreach (int page in (ReadOnlySpan<int>)[0, 2])
        {
            _mayBeZero[page] = true;
            Point();
            Assert.True(_other.TryRead(AddressOf(page), out byte value).IsCompleted);
            Assert.True(value is Given or 0);
        }
    }

    /// <summary>What is still there behaves as ever: what is missing is asked for, and what is protected as well.</summary>
    public void CheckAtTheEnd()
    {
        for (int page = 0; page < Pages; page++)
        {
            Load(page);
            Store(page);
        }
    }

    private void ClearsParts(int page, int count)
    {
        if (_kind == WatchedKind.PartsOfLargePage)
        {
            Array.Fill(_mayBeZero, true, page, count);
            Point();
        }
    }

    private bool IsAllowedToBeShown(int page) => _kind != WatchedKind.SharedFileWithMinorFaults || _mayBeShown[page];

    private void LetsGoOf(int page, int count)
    {
        Array.Fill(_mayBeZero, true, page, count);
        Array.Fill(_mayBeShown, true, page, count);
        Array.Fill(_mayBeStored, true, page, count);
        Point();
    }

    private VirtualAddress AddressOf(int page) => At + (page * _page);

    private void Answered(Errno outcome, int page)
    {
        // Unregistered, or gone.
        bool isGone = outcome is Errno.ENOENT or Errno.EFAULT or Errno.EINVAL && (_mayFail[page] || _mayRefuse);
        Assert.True(outcome is Errno.None or Errno.EEXIST || isGone, outcome.ToString());
    }

    /// <summary>Another handler, whom nothing belongs to.</summary>
    private sealed class Forwarder(WatchedMemory memory) : IUserFaultHandler
    {
        public bool Handle(AddressSpace space, VirtualAddress address, UserFaultKind kind, AccessKind access) => memory.Handle(space, address, kind, access);
    }
}
