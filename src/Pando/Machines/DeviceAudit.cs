using Pando.Files;

namespace Pando.Machines;

/// <summary>
/// Checks that the space of a device is accounted for: every byte is free, or out of use, or has as many files as lead
/// there or have left it since their metadata were durable; that no file stores in place where another may lead; and that every
/// extent is found by its place.
/// </summary>
internal sealed class DeviceAudit(PmemDevice device)
{
    // What begins and ends at each place.
    private readonly SortedDictionary<long, Count> _changes = [];

    /// <summary>What is said of one byte.</summary>
    private readonly record struct Count(int Free, int OutOfUse, int Files, int Left, int StoredInPlace, int CountedFiles, int CountedLeft, int Counted)
    {
        public static Count operator +(Count one, Count other) => new(
            one.Free + other.Free,
            one.OutOfUse + other.OutOfUse,
            one.Files + other.Files,
            one.Left + other.Left,
            one.StoredInPlace + other.StoredInPlace,
            one.CountedFiles + other.CountedFiles,
            one.CountedLeft + other.CountedLeft,
            one.Counted + other.Counted);

        public static Count operator -(Count one) =>
            new(-one.Free, -one.OutOfUse, -one.Files, -one.Left, -one.StoredInPlace, -one.CountedFiles, -one.CountedLeft, -one.Counted);
    }

    /// <summary>What does not agree.</summary>
    public IEnumerable<string> Violations()
    {
        Collect();
        var now = default(Count);
        long start = 0;
        foreach (var (at, change) in _changes)
        {
            if (at > start && WhyWrong(now) is { } reason)
            {
                yield return $"the device's space from {start:x} to {at:x}: {reason} ({now})";
            }

            now += change;
            start = at;
        }

        foreach (string violation in OwnerViolations())
        {
            yield return violation;
        }
    }

    /// <summary>What stands at places of the device is what the files have.</summary>
    private IEnumerable<string> OwnerViolations()
    {
        var files = device.Files.Where(file => !file.HasEnded).ToDictionary(file => file.Number);
        var extents = files.Values.SelectMany(file => file.Extents.Select(extent => (file.Number, extent))).ToHashSet();
        int count = 0;
        using var walk = device.Owners.On(0, device.Size);
        while (walk.TryGetNext(out var owner))
        {
            count++;
            var extent = files.TryGetValue(owner.File, out var file) ? file.ExtentOf(owner) : default;
            if (extent.DeviceOffset != owner.Start || extent.DeviceEnd != owner.End || !extents.Remove((owner.File, extent)))
            {
                yield return $"the device's space from {owner.Start:x} to {owner.End:x} counts as extent {owner.Number} of file {owner.File}, which has {extent}";
            }
        }

        foreach (var (number, extent) in extents)
        {
            yield return $"{extent} of '{files[number].Name}' is not found by its place";
        }

        if (count != device.Owners.Count)
        {
            yield return $"{count} extents are found by their places, and {device.Owners.Count} are counted";
        }
    }

    private static string? WhyWrong(in Count now)
    {
        if (now.Files + now.Left == 0)
        {
            return now.Free + now.OutOfUse == 0 ? "nobody has it, and it is not free"
                : now.Free > 0 && now.OutOfUse > 0 ? "it is out of use, and free"
                : now.Counted > 0 ? "nobody has it, and files are counted for it"
                : null;
        }

        var counted = now.Counted > 0 ? new Sharers(now.CountedFiles, now.CountedLeft) : Sharers.One;
        return now.Free > 0 ? "files have it, and it is free"
            : counted != new Sharers(now.Files + now.Left, now.Left) ? $"counted are {counted}"
            : now.StoredInPlace > 0 && counted != Sharers.One ? "a file stores in place, and others may lead there"
            : null;
    }

    private void Collect()
    {
        var (free, shared, outOfUse) = device.Space.Snapshot();
        Add(0, device.Size, default);
        foreach (var piece in free)
        {
            Add(piece.Start, piece.End, new Count { Free = 1 });
        }

        foreach (var piece in outOfUse)
        {
            Add(piece.Start, piece.End, new Count { OutOfUse = 1 });
        }

        foreach (var piece in shared)
        {
            Add(piece.Start, piece.End, new Count { Counted = 1, CountedFiles = piece.Value.Files, CountedLeft = piece.Value.Leaving });
        }

        foreach (var file in device.Files)
        {
            foreach (var extent in file.Extents)
            {
                Add(extent.DeviceOffset, extent.DeviceEnd, new Count { Files = 1, StoredInPlace = extent.IsShared ? 0 : 1 });
            }

            foreach (var piece in file.Left)
            {
                Add(piece.DeviceOffset, piece.DeviceEnd, new Count { Left = 1 });
            }
        }
    }

    private void Add(long start, long end, in Count count)
    {
        _changes[start] = _changes.GetValueOrDefault(start) + count;
        _changes[end] = _changes.GetValueOrDefault(end) + -count;
    }
}
