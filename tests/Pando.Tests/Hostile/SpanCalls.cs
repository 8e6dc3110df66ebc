using System.Reflection;
using Pando.Hardware;
using Pando.Machines;
using Pando.Platforms;
using Pando.Spaces;

namespace Pando.Tests.Hostile;

/// <summary>Calls of members that take or return spans, which reflection cannot hand over: arrays stand for them.</summary>
internal static class SpanCalls
{
    private static readonly byte[][] Bytes = [new byte[HostileWorld.Page], [], new byte[1], new byte[2 * HostileWorld.Page], new byte[HostileWorld.Page + 1], new byte[4 * HostileWorld.Mebi]];

    private static readonly bool[][] Flags = [new bool[1], [], new bool[16], new bool[5000]];

    private static readonly Dictionary<string, Func<object, object?[], object?>> Calls = new()
    {
        ["SoftwareProcessor.TryRead"] = (target, arguments) => ((SoftwareProcessor)target).TryRead((VirtualAddress)arguments[0]!, (byte[])arguments[1]!, (FaultDelivery)arguments[2]!),
        ["SoftwareProcessor.TryWrite"] = (target, arguments) => ((SoftwareProcessor)target).TryWrite((VirtualAddress)arguments[0]!, (byte[])arguments[1]!, (FaultDelivery)arguments[2]!),
        ["UserMemory.Read"] = (target, arguments) => ((UserMemory)target).Read((AddressSpace)arguments[0]!, (VirtualAddress)arguments[1]!, (byte[])arguments[2]!),
        ["UserMemory.Write"] = (target, arguments) => ((UserMemory)target).Write((AddressSpace)arguments[0]!, (VirtualAddress)arguments[1]!, (byte[])arguments[2]!),
        ["ProcessorSeat.View"] = static (target, _) =>
        {
            using var view = ((ProcessorSeat)target).View();
            return null;
        },
        ["AddressSpace.Resident"] = (target, arguments) => ((AddressSpace)target).Resident((VirtualAddress)arguments[0]!, (bool[])arguments[1]!),
        ["AddressSpace.UserCopy"] = (target, arguments) => ((AddressSpace)target).UserCopy((VirtualAddress)arguments[0]!, (byte[])arguments[1]!, (bool)arguments[2]!),
        ["PhysicalMemory.Bytes"] = (target, arguments) => ((PhysicalMemory)target).Bytes((PhysicalAddress)arguments[0]!, (int)arguments[1]!).Length,
    };

    /// <summary>How to call a member; null where reflection can.</summary>
    public static Func<object?, object?[], object?>? For(MethodBase member)
    {
        if (member is not MethodInfo method || !(method.ReturnType.IsByRefLike || method.GetParameters().Any(parameter => parameter.ParameterType.IsByRefLike)))
        {
            return null;
        }

        var call = Calls.TryGetValue($"{member.DeclaringType!.Name}.{member.Name}", out var known)
            ? known
            : throw new NotSupportedException($"{member.DeclaringType.Name}.{member.Name} has a span, and is not called here yet; add it.");
        return (target, arguments) => call(target!, arguments);
    }

    public static ParameterInfo[] ParametersOf(MethodBase member) => member.GetParameters();

    /// <summary>The arrays that stand for spans of a type; null for other types.</summary>
    public static IReadOnlyList<(string Name, object? Value)>? ValuesOf(Type type) =>
        type == typeof(Span<byte>) || type == typeof(ReadOnlySpan<byte>) ? [.. Bytes.Select(bytes => ($"{bytes.Length} bytes", (object?)bytes))]
        : type == typeof(Span<bool>) ? [.. Flags.Select(flags => ($"{flags.Length} flags", (object?)flags))]
        : null;
}
