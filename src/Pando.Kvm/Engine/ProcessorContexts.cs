using Pando.Machines;
using Pando.Platforms;
using Pando.Tables;

namespace Pando.Kvm.Engine;

/// <summary>The PCIDs under which one vCPU keeps translations of spaces. Safe for threads.</summary>
/// <remarks>
/// <para>As in the software processor's contexts a PCID is used once: to drop all of a space is to give it another
/// number when it is next loaded, and no instruction for it is needed. Here nobody makes room: a vCPU keeps what it keeps,
/// whoever ran there, until the 4,094 numbers have run out; then all is flushed and counting begins anew, as Linux
/// does with Arm's ASIDs (arch/arm64/mm/context.c).</para>
/// <para>A number that was given and never loaded has done no harm, so that a round may be broken off at any point.</para>
/// </remarks>
internal sealed class ProcessorContexts
{
    private readonly Lock _lock = new();
    private readonly Dictionary<SpaceTables, uint> _pcids = [];
    private PcidNumbers _numbers;

    /// <summary>The PCIDs of spaces that are about to be loaded, all of them before the first of them is.</summary>
    /// <param name="spaces">The spaces; fewer than there are numbers.</param>
    /// <param name="pcids">Filled in.</param>
    /// <returns>True where numbers were used up: all that the vCPU keeps must be flushed before it runs.</returns>
    internal bool Load(ReadOnlySpan<SpaceTables> spaces, Span<ulong> pcids)
    {
        lock (_lock)
        {
            bool anew = false;
            for (int i = 0; i < spaces.Length; i++)
            {
                if (!_pcids.TryGetValue(spaces[i], out uint pcid))
                {
                    if (!_numbers.TryNext(out pcid))
                    {
                        if (anew)
                        {
                            throw new ArgumentException($"{spaces.Length:N0} spaces cannot be loaded at a time: there are {PcidNumbers.Count:N0} PCIDs.");
                        }

                        // What this call has given so far is used up too.
                        anew = true;
                        _pcids.Clear();
                        _numbers = default;
                        i = -1;
                        continue;
                    }

                    _pcids.Add(spaces[i], pcid);
                }

                pcids[i] = pcid;
            }

            return anew;
        }
    }

    /// <summary>The spaces that a flush concerns are loaded under other PCIDs next time.</summary>
    /// <returns>Whether any of them had one.</returns>
    internal bool Drop(in FlushRequest request)
    {
        lock (_lock)
        {
            if (request.Space is { } only)
            {
                return _pcids.Remove(only);
            }

            bool any = false;
            foreach (var space in _pcids.Keys)
            {
                // Removing does not end the enumeration.
                any |= request.Concerns(space) && _pcids.Remove(space);
            }

            return any;
        }
    }
}
