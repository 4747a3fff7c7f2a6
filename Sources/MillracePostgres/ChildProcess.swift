import CLibpq
import Glibc

/// Programs that are started and waited for.
enum ChildProcess {
    /// Runs a program found through PATH and waits. 127 when it could not be started, 128 when a signal ended it.
    ///
    /// - Parameter output: a file that standard output and standard error are appended to.
    static func run(_ command: [String], folder: String, output: String) -> Int32 {
        guard let process = start(command, folder: folder, output: output) else { return 127 }
        return wait(process)
    }

    /// Starts a program in a process group of its own: a Ctrl-C is for us, not for it. It holds none of our descriptors (sockets, locks) but `input`, which becomes its standard input.
    static func start(_ command: [String], folder: String, input: Int32? = nil, output: String) -> pid_t? {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        if let input {
            posix_spawn_file_actions_adddup2(&actions, input, 0)
        } else {
            posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        }
        posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_APPEND, 0o644)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        posix_spawn_file_actions_addclosefrom_np(&actions, 3)
        posix_spawn_file_actions_addchdir_np(&actions, folder)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP))
        posix_spawnattr_setpgroup(&attributes, 0)
        var texts = command.map { strdup($0) } + [nil]
        defer { for text in texts { free(text) } }
        var process = pid_t()
        guard posix_spawnp(&process, command[0], &actions, &attributes, &texts, environ) == 0 else { return nil }
        return process
    }

    static func wait(_ process: pid_t) -> Int32 {
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0, errno == EINTR {}
        return status & 0x7F == 0 ? (status >> 8) & 0xFF : 128
    }
}
