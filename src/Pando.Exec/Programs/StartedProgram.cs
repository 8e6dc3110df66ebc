using Pando.Exec.Memory;

namespace Pando.Exec.Programs;

/// <summary>A program that has been loaded and not begun.</summary>
/// <param name="Memory">Its memory.</param>
/// <param name="Entry">The address of its first instruction: the interpreter's, where it has one.</param>
/// <param name="Stack">The stack pointer.</param>
/// <param name="Name">The last part of its path, for the process's name.</param>
internal sealed record StartedProgram(MemoryContext Memory, ulong Entry, ulong Stack, string Name);
