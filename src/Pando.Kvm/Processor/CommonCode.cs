using Pando.Kvm.Physical;
using Pando.Kvm.Programs;

namespace Pando.Kvm.Processor;

/// <summary>
/// Programs that stand in one page which every address space has, above the user's addresses: a workload runs in
/// ten thousand spaces without one table more in any of them.
/// </summary>
internal static class CommonCode
{
    private static readonly List<byte> _bytes = [];

    /// <summary>See <see cref="Workloads.SequentialRead"/>.</summary>
    internal static readonly UserProgram SequentialRead = Add(Workloads.SequentialRead);

    /// <summary>See <see cref="Workloads.SequentialReadRound"/>.</summary>
    internal static readonly UserProgram SequentialReadRound = Add(Workloads.SequentialReadRound);

    /// <summary>See <see cref="Workloads.RandomRead"/>.</summary>
    internal static readonly UserProgram RandomRead = Add(Workloads.RandomRead);

    /// <summary>See <see cref="Workloads.RandomReadRound"/>.</summary>
    internal static readonly UserProgram RandomReadRound = Add(Workloads.RandomReadRound);

    /// <summary>See <see cref="Workloads.ReadAndCountRound"/>.</summary>
    internal static readonly UserProgram ReadAndCountRound = Add(Workloads.ReadAndCountRound);

    /// <summary>See <see cref="Workloads.Write"/>.</summary>
    internal static readonly UserProgram Write = Add(Workloads.Write);

    /// <summary>See <see cref="Workloads.LockedIncrement"/>.</summary>
    internal static readonly UserProgram LockedIncrement = Add(Workloads.LockedIncrement);

    /// <summary>See <see cref="Workloads.PointerChase"/>.</summary>
    internal static readonly UserProgram PointerChase = Add(Workloads.PointerChase);

    /// <summary>The page's contents, from its start.</summary>
    internal static byte[] Bytes { get; } = [.. _bytes];

    private static UserProgram Add(Func<ulong, UserProgram> assemble)
    {
        const int Alignment = 16;
        while (_bytes.Count % Alignment != 0)
        {
            _bytes.Add(0xCC); // INT3, as padding that is never run into unseen
        }

        var program = assemble(KernelLayout.Virtual(KernelLayout.UserCodePage) + (ulong)_bytes.Count);
        _bytes.AddRange(program.Code);
        return _bytes.Count <= (int)KernelLayout.PageSize
            ? program
            : throw new InvalidOperationException($"the common programs take {_bytes.Count} bytes, more than their page has");
    }
}
