using System.Collections;
using System.Reflection;
using Pando.Files;
using Pando.Hardware;
using Pando.Machines;
using Pando.Platforms;
using Pando.Spaces;
using Pando.Census;
using Pando.Tables;
using static Pando.Tests.Hostile.HostileWorld;

namespace Pando.Tests.Hostile;

/// <summary>For each type of parameter the values that a caller might hand over, good ones first, each with its name.</summary>
internal sealed class HostileValues(HostileWorld world)
{
    private const int MostOfOneType = 40;

    private static readonly long[] Longs =
    [
        Page, 0, -1, 1, 4095, 2 * Mebi, 4 * Mebi, (4 * Mebi) + 1, 1L << 40, (1L << 47) - Page, 1L << 47, 1L << 61, (1L << 62) + Page, long.MaxValue / 4,
        (long.MaxValue / 4) + 1, long.MaxValue & -Page, long.MaxValue, long.MinValue, -Page,
    ];

    private static readonly int[] Ints = [1, 0, -1, 2, 3, 5, 6, 15, 16, 31, 32, 63, 64, 511, 512, 4096, int.MaxValue, int.MinValue];

    private static readonly ulong[] Addresses =
    [
        At.Value, 0, 1, AddressSpace.LowestAddress, At.Value + 1, At.Value + (4 * Mebi), At.Value + (8 * Mebi), At.Value + (10 * Mebi), At.Value + (12 * Mebi), At.Value + (14 * Mebi),
        At.Value + (15 * Mebi), (1UL << 47) - (2 * Page), (1UL << 47) - Page, 1UL << 47, 1UL << 63, ~0UL << 47, ~0UL << 12, ulong.MaxValue,
    ];

    private readonly HostileWorld _world = world;

    /// <summary>The values for a type.</summary>
    public IReadOnlyList<(string Name, object? Value)> Of(Type type, bool mayBeNull = false, int depth = 0)
    {
        type = type.IsByRef ? type.GetElementType()! : type;
        var values = Known(type, depth).ToList();
        if ((!type.IsValueType || mayBeNull) && values.TrueForAll(value => value.Value is not null))
        {
            values.Add(("null", null));
        }

        return values;
    }

    private IEnumerable<(string Name, object? Value)> Known(Type type, int depth)
    {
        if (Nullable.GetUnderlyingType(type) is { } underlying)
        {
            return [("null", null), .. Of(underlying, depth: depth)];
        }

        if (type.IsEnum)
        {
            return Named(Enum.GetValues(type).Cast<object>().Concat(
                ((long[])[-1, 7, 8, 64, 1 << 20, byte.MaxValue, int.MaxValue]).Select(number => Enum.ToObject(type, unchecked((int)number)))).Distinct());
        }

        return type switch
        {
            _ when type == typeof(bool) => Named([false, true]),
            _ when type == typeof(byte) => Named([(byte)0, (byte)1, byte.MaxValue]),
            _ when type == typeof(int) => Named(Ints.Cast<object>()),
            _ when type == typeof(uint) => Named([1U, 0U, 6U, uint.MaxValue]),
            _ when type == typeof(long) => Named(Longs.Cast<object>()),
            _ when type == typeof(ulong) => Named(Addresses.Cast<object>()),
            _ when type == typeof(nint) => Named([(nint)0]),
            _ when type == typeof(string) => [("\"name\"", "name"), ("\"\"", ""), ("null", null), ("a path that cannot be", "/proc/nothing/here\0")],
            _ when type.IsDefined(typeof(System.Runtime.CompilerServices.InlineArrayAttribute)) => Named([Activator.CreateInstance(type)!]),
            _ when type == typeof(object) => [("an object", new object()), ("null", null), ("1", 1)],
            _ when type == typeof(VirtualAddress) => Named(Addresses.Select(value => (object)new VirtualAddress(value))),
            _ when type == typeof(PhysicalAddress) => Named(((ulong[])[0, 1, Page, (8 * Mebi) - 1, 8 * Mebi, 1UL << 30, (1UL << 30) + (16 * Mebi) - 1, (1UL << 52) - Page, 1UL << 52, 1UL << 63, ~0UL << 12, ulong.MaxValue])
                .Select(value => (object)new PhysicalAddress(value))),
            _ when type == typeof(AddressRange) => Named(Ranges().Cast<object>()),
            _ when type == typeof(MapRequest) => Requests(),
            _ when type == typeof(EntryFormat) => Named([X64Format.FourLevels, X64Format.FiveLevels]),
            _ when type == typeof(MachineOptions) => Options(),
            _ when type == typeof(IUserFaultHandler) => [("a handler that refuses", Refuses.Instance)],
            _ when type == typeof(Func<ProcessorSeat, IPlatformProcessor>) => [("makes one", (ProcessorSeat _) => (IPlatformProcessor)KeepsNothing.Instance), ("makes none", (ProcessorSeat _) => (IPlatformProcessor)null!)],
            _ when type == typeof(Func<ulong, ulong>) => [("adds one", (ulong value) => value + 1)],
            _ when type == typeof(IShadowTables) => [("a shadow", KeepsNothing.Instance)],
            _ when type == typeof(SharingRule) => [("Pando", SharingRule.Pando(3)), ("every bit", new SharingRule(uint.MaxValue, true, true)), ("none", SharingRule.None)],
            _ when typeof(MappedFile).IsAssignableFrom(type) || typeof(TableOwner).IsAssignableFrom(type) || type == typeof(SoftwareProcessor) => _world.Arguments(type),
            _ when type == typeof(IReadOnlyDictionary<SmallPageReason, long>) => [("{}", new Dictionary<SmallPageReason, long>()), ("null", null)],
            _ when type.IsGenericType && typeof(IEnumerable).IsAssignableFrom(type) => Lists(type.GetGenericArguments()[0], depth),
            _ when type.Assembly == typeof(Machine).Assembly && !type.IsAbstract => Made(type, depth),
            _ => throw new NotSupportedException($"There are no hostile values for {type}; add them here."),
        };
    }

    /// <summary>Instances of a value type or a record, of all that its constructors can be given.</summary>
    public IEnumerable<(string Name, object? Value)> Made(Type type, int depth)
    {
        var made = new List<(string, object?)>();
        if (type.IsValueType)
        {
            made.Add(("default", Activator.CreateInstance(type)));
        }

        foreach (var constructor in type.GetConstructors().Where(constructor => constructor.GetParameters().Length > 0))
        {
            var lists = constructor.GetParameters().Select(parameter => Of(parameter.ParameterType, depth: depth + 1)).ToArray();
            foreach (int[] choice in Choices.Of([.. lists.Select(list => list.Count)], depth == 0 ? MostOfOneType * 3 : MostOfOneType))
            {
                object?[] arguments = [.. choice.Select((index, parameter) => lists[parameter][index].Value)];
                try
                {
                    made.Add(($"{type.Name}({string.Join(", ", choice.Select((index, parameter) => lists[parameter][index].Name))})", constructor.Invoke(arguments)));
                }
                catch (TargetInvocationException)
                {
                    // Refused: the constructor is called by itself, too.
                }
            }
        }

        return depth == 0 ? made : made.Take(MostOfOneType);
    }

    private IEnumerable<(string Name, object? Value)> Lists(Type element, int depth)
    {
        var values = Of(element, depth: depth + 1);
        yield return ("[]", Array.CreateInstance(element, 0));
        foreach (var (name, value) in values.Take(depth == 0 ? 30 : 6))
        {
            yield return ($"[{name}]", ArrayOf(element, [value]));
        }

        for (int i = 0; i + 1 < Math.Min(values.Count, depth == 0 ? 30 : 4); i++)
        {
            yield return ($"[{values[i].Name}, {values[i + 1].Name}]", ArrayOf(element, [values[i].Value, values[i + 1].Value]));
        }

        yield return ("null", null);
    }

    private static Array ArrayOf(Type element, object?[] values)
    {
        var array = Array.CreateInstance(element, values.Length);
        for (int i = 0; i < values.Length; i++)
        {
            array.SetValue(values[i], i);
        }

        return array;
    }

    private static IEnumerable<AddressRange> Ranges()
    {
        yield return new AddressRange(At, At + Page);
        yield return default;
        yield return new AddressRange(At, At + (16 * Mebi));
        yield return new AddressRange(At + Page, At);
        yield return new AddressRange(At + 1, At + 2);
        yield return new AddressRange(new VirtualAddress(0), new VirtualAddress(ulong.MaxValue));
        yield return new AddressRange(new VirtualAddress(1UL << 63), new VirtualAddress(ulong.MaxValue));
        yield return new AddressRange(new VirtualAddress(ulong.MaxValue), new VirtualAddress(0));
        yield return new AddressRange(At + (8 * Mebi), new VirtualAddress(ulong.MaxValue));
    }

    /// <summary>Every property that can be set, one hostile value at a time, on requests that are good.</summary>
    private IEnumerable<(string Name, object? Value)> Requests()
    {
        yield return ("default", default(MapRequest));
        var memory = (MappedFile)_world.Mine.Objects.First(pair => pair.Name == "memory file").Instance;
        var data = (MappedFile)_world.Mine.Objects.First(pair => pair.Name == "data").Instance;
        (string Name, MapRequest Request)[] good =
        [
            ("anonymous", MapRequest.Anonymous(Page, Rights.ReadWrite)),
            ("fixed", MapRequest.Anonymous(2 * Page, Rights.ReadWrite) with { Address = At + (8 * Mebi), Placement = MapPlacement.Fixed }),
            ("shared", MapRequest.SharedFile(memory, Rights.ReadWrite)),
            ("synchronous", MapRequest.SharedFile(data, Rights.ReadWrite) with { Synchronous = true }),
            ("private", MapRequest.PrivateFile(data, Rights.Read)),
        ];
        foreach (var (name, request) in good)
        {
            foreach (var property in typeof(MapRequest).GetProperties().Where(property => property.CanWrite))
            {
                foreach (var (value, argument) in Of(property.PropertyType, mayBeNull: false, depth: 1))
                {
                    object changed = request;
                    property.SetValue(changed, argument);
                    yield return ($"{name} with {property.Name} = {value}", changed);
                }
            }
        }
    }

    private IEnumerable<(string Name, object? Value)> Options()
    {
        yield return ("default", new MachineOptions { Ram = 2 * Mebi });
        foreach (var property in typeof(MachineOptions).GetProperties().Where(property => property.CanWrite))
        {
            foreach (var (value, argument) in Of(property.PropertyType, depth: 1))
            {
                var changed = new MachineOptions { Ram = 2 * Mebi };
                property.SetValue(changed, argument);
                yield return ($"{property.Name} = {value}", changed);
            }
        }
    }

    private static IEnumerable<(string Name, object? Value)> Named(IEnumerable<object> values) => values.Select(value => (Name(value), (object?)value));

    private static string Name(object value) => value is Enum ? $"{value.GetType().Name}.{value}" : $"{value}";
}
