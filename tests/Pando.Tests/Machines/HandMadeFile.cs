using Pando.Tables;

namespace Pando.Tests.Machines;

/// <summary>A file that is only a name for <see cref="SpaceTables.MayShow"/>.</summary>
internal sealed class HandMadeFile : SharedTableOwner;
