using Pando.Files;
using Pando.Hardware;
using Pando.Spaces;
using Pando.Tests.Support;

namespace Pando.Tests.Model;

/// <content>
/// User-fault handlers that nobody notices: whatever is mapped is registered, and the handler gives what would have been there
/// without it. So the model knows of them only what keeps areas apart.
/// </content>
#pragma warning disable CA5394 // A test wants a sequence that it can have again.
internal sealed partial class World
{
    private const AreaFlags AnyLock = AreaFlags.Locked | AreaFlags.LockedOnFault;

    private readonly FillingHandler _handler = new();
    private Random? _registers;
    private UserFaultModes _modesOfFiles;

    /// <summary>Questions that the handler was asked.</summary>
    public long Questions => _handler.Calls;

    /// <summary>From now on whatever can be is registered with the handler after each operation, and some of it protected.</summary>
    public void RegisterAll(int seed)
    {
        _registers = new Random(seed);
        _modesOfFiles = (seed % 3) switch
        {
            0 => UserFaultModes.Missing,
            1 => UserFaultModes.Missing | UserFaultModes.WriteProtect,
            _ => UserFaultModes.Missing | UserFaultModes.WriteProtect | UserFaultModes.Minor,
        };
    }

    /// <summary>What is not the same with a handler as without is made without.</summary>
    private void PrepareHandlers(Operation operation)
    {
        // A handler does not follow a move, and several areas of which one has a handler do not move.
        if (_registers is not null && operation is RemapAt remap && Has(remap.Space))
        {
            Unregister(remap.Space, area => true);
        }
    }

    private void SetUpHandlers()
    {
        if (_registers is not { } random)
        {
            return;
        }

        for (int space = 0; space < Spaces; space++)
        {
            if (!Has(space))
            {
                continue;
            }

            // What is locked is faulted in by operations that do not wait for a handler.
            Unregister(space, area => (area.Flags & AnyLock) != 0);
            foreach (var area in EngineSpace(space).Areas)
            {
                if ((area.Flags & (AnyLock | AreaTraits.AnyUserFault)) == 0 && ModesFor(area) is not UserFaultModes.None and var modes)
                {
                    Same(Errno.None, Attempt(() => EngineSpace(space).RegisterUserFaults(area.Range.Start, area.Range.Length, modes, _handler), IsRefused), $"registering {area}");
                    _model[space]!.Mark(area.Range, FlagsOf(modes), AreaFlags.None);
                }
            }

            ProtectSome(space, random);
            LetGoOfSome(space, random);
        }
    }

    private void Unregister(int space, Func<AreaInfo, bool> which)
    {
        foreach (var area in EngineSpace(space).Areas.Where(area => (area.Flags & AreaTraits.AnyUserFault) != 0 && which(area)))
        {
            Same(Errno.None, Attempt(() => EngineSpace(space).UnregisterUserFaults(area.Range.Start, area.Range.Length, _handler), IsRefused), $"unregistering {area}");
            _model[space]!.Mark(area.Range, AreaFlags.None, AreaTraits.AnyUserFault);
        }
    }

    private void ProtectSome(int space, Random random)
    {
        var areas = EngineSpace(space).Areas.Where(area => (area.Flags & AreaFlags.UserWriteProtect) != 0).ToList();
        if (areas.Count == 0 || random.Next(4) != 0)
        {
            return;
        }

        var part = PartOf(areas[random.Next(areas.Count)].Range, random);
        Same(Errno.None, Attempt(() => EngineSpace(space).UserWriteProtect(part.Start, part.Length, protect: true), IsRefused), $"protecting {part}");
    }

    /// <summary>A part is not registered, until after the next operation.</summary>
    private void LetGoOfSome(int space, Random random)
    {
        var areas = EngineSpace(space).Areas.Where(area => (area.Flags & AreaTraits.AnyUserFault) != 0).ToList();
        if (areas.Count == 0 || random.Next(6) != 0)
        {
            return;
        }

        var part = PartOf(areas[random.Next(areas.Count)].Range, random);
        Same(Errno.None, Attempt(() => EngineSpace(space).UnregisterUserFaults(part.Start, part.Length, _handler), IsRefused), $"unregistering {part}");
        _model[space]!.Mark(part, AreaFlags.None, AreaTraits.AnyUserFault);
    }

    private static AddressRange PartOf(AddressRange range, Random random)
    {
        long pages = range.Length / X64.PageSize;
        long first = random.Next(2) == 0 ? random.NextInt64(Math.Min(pages, 4)) : random.NextInt64(pages);
        long count = Math.Min(pages - first, random.Next(3) == 0 ? random.Next(1, 1200) : random.Next(1, 4));
        return AddressRange.FromLength(range.Start + (first * X64.PageSize), count * X64.PageSize);
    }

    private static AreaFlags FlagsOf(UserFaultModes modes) =>
        ((modes & UserFaultModes.Missing) != 0 ? AreaFlags.UserMissing : AreaFlags.None)
        | ((modes & UserFaultModes.Minor) != 0 ? AreaFlags.UserMinor : AreaFlags.None)
        | ((modes & UserFaultModes.WriteProtect) != 0 ? AreaFlags.UserWriteProtect : AreaFlags.None);

    /// <summary>How an area may be registered so that nobody notices; the same for all that may become one area with it.</summary>
    private UserFaultModes ModesFor(AreaInfo area) => area.File switch
    {
        null => UserFaultModes.Missing | UserFaultModes.WriteProtect,
        not MemoryFile => UserFaultModes.None,

        // Zeroes would hide what the file gets later.
        _ when !area.Shared => UserFaultModes.WriteProtect,

        // A page of 2 MiB cannot be given in parts.
        { PageSize: > X64.PageSize } => _modesOfFiles & ~UserFaultModes.Missing,
        _ => _modesOfFiles,
    };
}
