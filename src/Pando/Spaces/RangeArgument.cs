using Pando.Hardware;

namespace Pando.Spaces;

/// <summary>
/// An address and a length as an operation is given them: looked at once, so that what goes on from here is a range that cannot be
/// wrong. Arithmetic is that of Linux's system calls, whose lengths are a size_t: a negative number is one from 2^63 on.
/// </summary>
/// <param name="Form">What the two come to.</param>
/// <param name="Length">The length in whole pages, modulo 2^64 (Linux: PAGE_ALIGN).</param>
/// <param name="Range">
/// The pages. One that leaves the user's addresses ends with the first page behind them, where nothing is ever mapped; empty if
/// the form is none of a range.
/// </param>
internal readonly record struct RangeArgument(RangeForm Form, ulong Length, AddressRange Range)
{
    private const ulong Page = Level.PageSize;

    /// <summary>The pages from an address on.</summary>
    /// <param name="address">The first address; a multiple of 4 KiB.</param>
    /// <param name="length">Bytes; rounded up to whole pages.</param>
    /// <param name="userEnd">Where the user's addresses end.</param>
    public static RangeArgument Of(VirtualAddress address, long length, VirtualAddress userEnd)
    {
        ulong start = address.Value;
        ulong rounded = unchecked((ulong)length + Page - 1) & ~(Page - 1);
        var form = length == 0 ? RangeForm.Nothing
            : rounded == 0 ? RangeForm.RoundsToNothing
            : unchecked(start + rounded) < start ? RangeForm.WrapsRound
            : address > userEnd || rounded > userEnd.Value - start ? RangeForm.LeavesUser
            : RangeForm.User;
        return new RangeArgument(form, rounded, form switch
        {
            RangeForm.User => new AddressRange(address, new VirtualAddress(start + rounded)),
            RangeForm.LeavesUser => new AddressRange(address < userEnd ? address : userEnd, userEnd + Level.PageSize),
            _ => default,
        });
    }

    /// <summary>The pages that hold an address and so many bytes from there.</summary>
    public static RangeArgument Around(VirtualAddress address, long length, VirtualAddress userEnd) =>
        Of(address.PageStart, unchecked(length + address.PageOffset), userEnd);
}
