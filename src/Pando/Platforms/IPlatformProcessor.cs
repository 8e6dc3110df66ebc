using Pando.Tables;

namespace Pando.Platforms;

/// <summary>
/// Something that keeps translations of spaces and forgets them when it is asked: a processor of a kind of one's own, or several
/// that are asked as one. It gets its place among a machine's processors by <see cref="ProcessorSeat.Take"/>.
/// </summary>
/// <remarks>
/// All members are called on any thread at any moment from <see cref="ProcessorSeat.Take"/> on until <see cref="ProcessorSeat.Dispose"/>
/// returns, several at a time. The caller may hold any lock of the library: a member calls nothing of a space, a file or a machine, and
/// waits for no thread that may be inside of one (in <c>AddressSpace.Fault</c>, for one). It does not throw: what was taken away could not
/// be used again.
/// </remarks>
public interface IPlatformProcessor
{
    /// <summary>
    /// Forgets what a flush names. When it returns, no access that the processor still makes, or has begun, uses what was to be
    /// forgotten.
    /// </summary>
    /// <param name="request">What to forget: ask <see cref="FlushRequest.Concerns"/> of each space that something is kept of.</param>
    /// <returns>What <see cref="FlushRequest.Answer"/> gives. The default value is no answer, and an exception for who asked.</returns>
    FlushAnswer Flush(in FlushRequest request);

    /// <summary>
    /// What the processor keeps at this moment: asked by the auditor, while nobody drives the machine. Each must be what the tables say. By
    /// default nothing, which hides mistakes.
    /// </summary>
    IEnumerable<CachedTranslation> Kept => [];
}
