namespace Pando.Files;

/// <summary>A use of a file, which keeps it from ending until the scope ends.</summary>
internal readonly ref struct FileUse
{
    private readonly MappedFile? _file;

    private FileUse(MappedFile? file) => _file = file;

    /// <summary>Keeps a file that the caller knows to be open or mapped; nothing for null.</summary>
    /// <exception cref="ObjectDisposedException">The file has ended.</exception>
    public static FileUse Of(MappedFile? file)
    {
        file?.AddUser();
        return new FileUse(file);
    }

    /// <summary>The same for a file that may have ended.</summary>
    /// <param name="file">The file.</param>
    /// <param name="ended">Whether it has; then nothing is kept.</param>
    public static FileUse Try(MappedFile file, out bool ended)
    {
        ended = !file.TryAddUser();
        return new FileUse(ended ? null : file);
    }

    /// <summary>Lets the file go. Called once, by <c>using</c>.</summary>
    public void Dispose() => _file?.RemoveUser();
}
