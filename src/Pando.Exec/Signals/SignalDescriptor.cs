using Pando.Exec.Native;

namespace Pando.Exec.Signals;

/// <summary>One signal descriptor.</summary>
/// <param name="eventDescriptor">The host's eventfd behind it.</param>
/// <param name="mask">The signals that it tells of.</param>
internal sealed class SignalDescriptor(int eventDescriptor, ulong mask)
{
    /// <summary>The signals that it tells of.</summary>
    internal ulong Mask { get; set; } = mask;

    /// <summary>Makes it readable.</summary>
    internal unsafe void Tell()
    {
        ulong one = 1;
        _ = Host.Call(CallNumber.Write, eventDescriptor, (nint)(&one), 8);
    }

    /// <summary>Makes it unreadable; what reads it next says whether it should not be.</summary>
    internal unsafe void Clear()
    {
        ulong count;
        _ = Host.Call(CallNumber.Read, eventDescriptor, (nint)(&count), 8);
    }
}
