using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.ExceptionServices;
using Pando.Linux.Native;

namespace Pando.Linux.Proc;

/// <summary>
/// Reads processes on threads of its own, and gives up any process that does not answer: one that is stuck in the
/// kernel with its mmap_lock held (or its exec_update_lock) blocks whoever reads its maps, smaps, pagemap or
/// map_files until the reader itself ends. The blocked thread stays behind, ends with the command, and is not waited for.
/// </summary>
/// <remarks>
/// Given up is a process on which no call returned for the whole patience while the thread that reads it slept: a long
/// walk by the kernel, or a machine too busy to let the thread (or this program) run, is waited for. At the end of the phase of <see cref="Time"/> nothing new is
/// begun, and what is being read is left behind too; it is not called stuck.
/// </remarks>
internal sealed class PatientReader
{
    private const int Tick = 10; // milliseconds between looks at the threads
    private const int StackSize = 256 << 10;
    private const int MostReaders = 256;

    // The most of a silence that one look counts: where this program itself did not run (a garbage collection, a busy machine), nor did its readers.
    private static readonly TimeSpan MostBetweenLooks = TimeSpan.FromMilliseconds(5 * Tick);

    // After this, two other threads take the blocked one's place, so that very many stuck processes are waited for at once.
    private static readonly TimeSpan Slow = TimeSpan.FromMilliseconds(30);
    private static readonly TimeSpan MostPatience = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LeastPatience = TimeSpan.FromMilliseconds(100);

    // Threads of this program that are still blocked, so that a later scan (--watch) does not add another for the
    // same process.
    private static readonly ConcurrentDictionary<(string Proc, int Pid), int> Blocked = new();

    private readonly string _proc;
    private readonly ConcurrentDictionary<int, string> _stuck = new();

    public PatientReader(ScanOptions options)
    {
        _proc = options.Proc;
        Time = new TimeBudget(options.Budget);
        var patience = options.Budget is { } budget ? budget / 4 : MostPatience;
        Patience = patience < LeastPatience ? LeastPatience : patience > MostPatience ? MostPatience : patience;
    }

    /// <summary>The time that the scan has.</summary>
    public TimeBudget Time { get; }

    /// <summary>How long a process may take to answer one call.</summary>
    public TimeSpan Patience { get; }

    /// <summary>Processes that were given up, and what was read of them at the time.</summary>
    public IReadOnlyDictionary<int, string> Stuck => _stuck;

    /// <summary>True if the thread that was left behind at a process still waits for it: one that has its answer by now was slow, and not stuck.</summary>
    public bool IsBlockedAt(int pid) => Blocked.ContainsKey((_proc, pid));

    /// <summary>
    /// Calls <paramref name="read"/> for each item on up to <paramref name="threads"/> threads, in order of the items, and
    /// <paramref name="keep"/> with what it returned, one at a time. Neither is called for processes given up before; of
    /// a process given up now nothing is kept. <paramref name="read"/> must bear being left behind at any call: it
    /// changes nothing that others see. Returns how many items were left for want of time.
    /// </summary>
    public int ForEach<T, TResult>(IReadOnlyList<T> items, int threads, Func<T, int> pidOf, string what, Func<T, FileContents, TResult> read, Action<T, TResult> keep)
    {
        return items.Count == 0 ? 0 : new Pass<T, TResult>(this, items, pidOf, what, read, keep).Run(Math.Clamp(threads, 1, items.Count));
    }

    private sealed class Pass<T, TResult>(PatientReader owner, IReadOnlyList<T> items, Func<T, int> pidOf, string what, Func<T, FileContents, TResult> read, Action<T, TResult> keep)
    {
        private readonly object _gate = new();
        private readonly List<Reader> _readers = []; // those that are waited for
        private readonly FileContents _file = new();
        private int _next;
        private int _left;
        private ExceptionDispatchInfo? _failure;

        public int Run(int threads)
        {
            lock (_gate)
            {
                for (var i = 0; i < threads; i++)
                {
                    Start();
                }

                var last = Stopwatch.GetTimestamp();
                while (_readers.Count > 0)
                {
                    Monitor.Wait(_gate, Tick);
                    var since = Stopwatch.GetElapsedTime(last);
                    last = Stopwatch.GetTimestamp();
                    foreach (var reader in _readers.ToArray())
                    {
                        Look(reader, since < MostBetweenLooks ? since : MostBetweenLooks);
                    }
                }
            }

            _failure?.Throw();
            return _left + items.Count - _next;
        }

        private void Start()
        {
            var reader = new Reader();
            _readers.Add(reader);
            new Thread(() => Work(reader), StackSize) { IsBackground = true, Name = "pando reader" }.Start();
        }

        private void Work(Reader reader)
        {
            reader.Thread = new FileInfo("/proc/thread-self").LinkTarget;
            try
            {
                while (TryTake(reader, out var item))
                {
                    reader.Heart.Beat();
                    var result = read(item, reader.File);
                    lock (_gate)
                    {
                        reader.HasItem = false;
                        if (!reader.IsGivenUp)
                        {
                            keep(item, result);
                        }
                    }
                }
            }
            catch (Exception) when (reader.IsGivenUp)
            {
                // The process got on after all, too late: the thread was stopped.
            }
            catch (Exception e)
            {
                _failure = ExceptionDispatchInfo.Capture(e); // for the thread that called ForEach
            }

            lock (_gate)
            {
                _readers.Remove(reader);
                if (reader.IsGivenUp)
                {
                    Blocked.TryRemove((owner._proc, reader.Pid), out _);
                }

                Monitor.Pulse(_gate);
            }
        }

        private bool TryTake(Reader reader, out T item)
        {
            lock (_gate)
            {
                while (_next < items.Count && !reader.IsReplaced && !reader.IsGivenUp && _failure is null && !owner.Time.IsOver)
                {
                    item = items[_next++];
                    reader.Pid = pidOf(item);
                    if (Blocked.ContainsKey((owner._proc, reader.Pid)))
                    {
                        owner._stuck.TryAdd(reader.Pid, what);
                    }

                    if (!owner._stuck.ContainsKey(reader.Pid))
                    {
                        reader.HasItem = true;
                        return true;
                    }
                }
            }

            item = default!;
            return false;
        }

        /// <param name="reader">Who is looked at.</param>
        /// <param name="since">How much of the time since the look before counts.</param>
        private void Look(Reader reader, TimeSpan since)
        {
            var beats = reader.Heart.Beats;
            if (beats != reader.SeenBeats || IsRunning(reader))
            {
                (reader.SeenBeats, reader.Silence) = (beats, TimeSpan.Zero);
                if (owner.Time.IsOver)
                {
                    _left += reader.HasItem ? 1 : 0;
                    Leave(reader);
                }

                return;
            }

            reader.Silence += since;
            if (reader.Silence >= Slow && !reader.IsReplaced)
            {
                reader.IsReplaced = true;
                for (var i = 0; i < 2 && _next < items.Count && _readers.Count < MostReaders; i++)
                {
                    Start();
                }
            }

            if (reader.Silence >= (owner.Time.IsOver ? LeastPatience : owner.Patience) && reader.HasItem)
            {
                owner._stuck.TryAdd(reader.Pid, what);
                Blocked.TryAdd((owner._proc, reader.Pid), 0);
                Leave(reader);
            }
        }

        /// <summary>Nobody waits for the thread any more: it ends at its next call, or with the command.</summary>
        private void Leave(Reader reader)
        {
            reader.IsGivenUp = true;
            reader.Heart.Stop();
            _readers.Remove(reader);
        }

        /// <summary>True if the thread uses or waits for a processor: it is not blocked.</summary>
        private bool IsRunning(Reader reader)
        {
            if (reader.Thread is not { } thread)
            {
                return reader.SeenBeats == 0; // not begun, or no procfs at /proc: then only calls count
            }

            var stat = _file.Read($"/proc/{thread}/stat", out _);
            var name = stat.LastIndexOf((byte)')');
            return name >= 0 && stat.Length > name + 2 && stat[name + 2] == (byte)'R';
        }
    }

    private sealed class Reader
    {
        public Reader() => File = new FileContents(Heart);

        public Heartbeat Heart { get; } = new();

        public FileContents File { get; }

        /// <summary>"PID/task/TID", once the thread runs.</summary>
        public volatile string? Thread;

        public int Pid;
        public bool HasItem;
        public bool IsReplaced;
        public bool IsGivenUp;
        public long SeenBeats;
        public TimeSpan Silence;
    }
}
