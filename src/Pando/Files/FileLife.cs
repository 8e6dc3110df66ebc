using Pando.Concurrency;

namespace Pando.Files;

/// <summary>
/// How long a file lives: as long as somebody has it open or maps it. It begins with one who has it open, and once nobody is left it cannot
/// begin again. Without a lock.
/// </summary>
internal sealed class FileLife
{
    // Mappings, plus one for each who has the file open.
    private int _users = 1;

    /// <summary>How many there are.</summary>
    public int Users => Volatile.Read(ref _users);

    /// <summary>Whether the last has gone.</summary>
    public bool HasEnded => Volatile.Read(ref _users) == 0;

    /// <summary>Counts one more. False where nobody was left.</summary>
    public bool TryAdd()
    {
        int users = Volatile.Read(ref _users);
        while (users > 0)
        {
            Schedule.Reach(SchedulePoint.SharedWord);
            int seen = Interlocked.CompareExchange(ref _users, users + 1, users);
            if (seen == users)
            {
                return true;
            }

            users = seen;
        }

        return false;
    }

    /// <summary>Counts one less.</summary>
    /// <returns>Whether that was the last: the caller ends the file.</returns>
    public bool Remove()
    {
        Schedule.Reach(SchedulePoint.SharedWord);
        return Interlocked.Decrement(ref _users) == 0;
    }

    /// <summary>Ends it, whoever is left. At rest.</summary>
    public void End() => Volatile.Write(ref _users, 0);
}
