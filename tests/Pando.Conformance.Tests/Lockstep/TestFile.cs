using Pando.Files;
using Pando.Hardware;

namespace Pando.Conformance.Tests.Lockstep;

/// <summary>A file that both sides have, as it was opened once. Several of them may be one file.</summary>
/// <param name="Name">For messages.</param>
/// <param name="Descriptor">The agents' number of it.</param>
/// <param name="Engine">The engine's.</param>
/// <param name="OpenedFor">How it was opened.</param>
internal sealed record TestFile(string Name, int Descriptor, MappedFile Engine, Rights OpenedFor);
