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
    /// <summary>The pages from an address on.</summary>
    /// <param name="geometry">How large pages are, and where the user's addresses end.</param>
    /// <param name="address">The first address; a whole number of pages.</param>
    /// <param name="length">Bytes; rounded up to whole pages.</param>
    public static RangeArgument Of(TableGeometry geometry, VirtualAddress address, long length)
    {
        ulong start = address.Value;
        var userEnd = geometry.UserEnd;
        ulong rounded = (ulong)geometry.RoundUpToPages(length);
        var form = length == 0 ? RangeForm.Nothing
            : rounded == 0 ? RangeForm.RoundsToNothing
            : unchecked(start + rounded) < start ? RangeForm.WrapsRound
            : address > userEnd || rounded > userEnd.Value - start ? RangeForm.LeavesUser
            : RangeForm.User;
        return new RangeArgument(form, rounded, form switch
        {
            RangeForm.User => new AddressRange(address, new VirtualAddress(start + rounded)),
            RangeForm.LeavesUser => new AddressRange(address < userEnd ? address : userEnd, userEnd + geometry.PageSize),
            _ => default,
        });
    }

    /// <summary>The pages that hold an address and so many bytes from there.</summary>
    public static RangeArgument Around(TableGeometry geometry, VirtualAddress address, long length) =>
        Of(geometry, geometry.PageStart(address), unchecked(length + geometry.OffsetInPage(address.Value)));
}
