using Pando.Files;

namespace Pando.Tests.Durability;

/// <summary>What is durable of a file beside its bytes.</summary>
internal sealed record Metadata(long Size, FileExtent[] Extents);
