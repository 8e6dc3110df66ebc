using System.Globalization;
using System.Text;
using Pando.Exec.Native;

namespace Pando.Exec.Tasks;

/// <summary>Writes a line for each system call (--strace). Safe for threads.</summary>
/// <param name="writer">Where to.</param>
internal sealed class CallTrace(TextWriter writer)
{
    private const int MostText = 60;

    /// <summary>Notes the arguments, before the call changes what they lead to.</summary>
    internal static void Begin(GuestTask task, CallNumber number, in CallArguments call)
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"[{task.Id}] {Name(number)}(");
        for (int i = 0; i < 6; i++)
        {
            if (i > 0)
            {
                text.Append(", ");
            }

            if (IsPath(number, i) && task.ReadText(call[i], out _) is { } path)
            {
                text.Append('"').Append(Encoding.UTF8.GetString(path.AsSpan(0, Math.Min(path.Length - 1, MostText)))).Append('"');
            }
            else
            {
                text.Append(call[i] < 4096 || (long)call[i] is < 0 and > -4096 ? ((long)call[i]).ToString(CultureInfo.InvariantCulture) : $"0x{call[i]:x}");
            }
        }

        task.Traced = text.Append(')').ToString();
    }

    /// <summary>Writes the line.</summary>
    internal void End(GuestTask task, CallNumber number, long result)
    {
        string answer = result switch
        {
            ISystemCalls.NoResult => "?",
            < 0 and > -4096 => $"-{-result}",
            _ => string.Create(CultureInfo.InvariantCulture, $"{(result < 65536 ? $"{result}" : $"0x{result:x}")}"),
        };
        lock (writer)
        {
            writer.WriteLine($"{task.Traced ?? Name(number)} = {answer}");
        }

        task.Traced = null;
    }

    /// <summary>Writes that an instruction went wrong.</summary>
    internal void Fault(GuestTask task, in Pando.Kvm.Tasks.UserExit exit)
    {
        lock (writer)
        {
            writer.WriteLine($"[{task.Id}] --- {exit.Kind} {exit.Fault}, vector {exit.Vector}, error code {exit.ErrorCode:x}, address {exit.Address:x}, at {task.Context.Registers.Rip:x} ---");
        }
    }

    private static string Name(CallNumber number) => Enum.IsDefined(number) ? number.ToString().ToLowerInvariant() : $"call {(int)number}";

    private static bool IsPath(CallNumber number, int argument) => number switch
    {
        CallNumber.Open or CallNumber.Stat or CallNumber.Lstat or CallNumber.Access or CallNumber.Execve or CallNumber.Chdir or CallNumber.Unlink
            or CallNumber.Mkdir or CallNumber.Rmdir or CallNumber.Readlink or CallNumber.Rename or CallNumber.Chmod => argument == 0,
        CallNumber.Openat or CallNumber.Newfstatat or CallNumber.Statx or CallNumber.Faccessat or CallNumber.Faccessat2 or CallNumber.Readlinkat
            or CallNumber.Unlinkat or CallNumber.Mkdirat => argument == 1,
        _ => false,
    };
}
