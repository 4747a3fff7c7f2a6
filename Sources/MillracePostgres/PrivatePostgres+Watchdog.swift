import CLibpq
import Glibc

extension PrivatePostgres {
    /// A shell that stops the server and removes its directory when we end, whatever ends us: it waits for the other end of a
    /// socket to be closed, and the system closes that even after SIGKILL.
    struct Watchdog {
        private let process: pid_t
        private let socket: Int32

        /// - Parameters:
        ///   - stop: the command that stops the server.
        ///   - remove: the directory.
        /// - Returns: nil when no process can be started.
        init?(stop: [String], remove directory: String) {
            var ends: [Int32] = [0, 0]
            guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else {
                return nil
            }
            defer { Glibc.close(ends[0]) }
            let script = "directory=$1; shift; read -r nothing; \"$@\"; rm -rf \"$directory\""
            guard
                let process = ChildProcess.start(
                    ["sh", "-c", script, "sh", directory] + stop, folder: "/", input: ends[0], output: "/dev/null")
            else {
                Glibc.close(ends[1])
                return nil
            }
            self.process = process
            socket = ends[1]
        }

        /// Lets it do its work now, and waits for that.
        func callIn() {
            Glibc.close(socket)
            _ = ChildProcess.wait(process)
        }
    }

    static let folder = "/tmp"
    static let prefix = "millrace-pg-"

    /// - Returns: a descriptor that holds the lock of a server's directory until it is closed or we end; nil when another
    ///   process has it, or there is none of this user's.
    static func takeLock(of directory: String, creating: Bool) -> Int32? {
        let flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | (creating ? O_CREAT | O_EXCL : 0)
        let descriptor = open(directory + "/lock", flags, 0o600)
        guard descriptor >= 0 else { return nil }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_uid == geteuid(), flock(descriptor, LOCK_EX | LOCK_NB) == 0
        else {
            Glibc.close(descriptor)
            return nil
        }
        return descriptor
    }

    /// Removes what servers of this user have left whose processes and watchdogs are both gone, as after a power failure.
    static func removeLeftovers(binaries: String) {
        guard let handle = opendir(folder) else { return }
        defer { closedir(handle) }
        while let entry = readdir(handle) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            let directory = folder + "/" + name
            guard name.hasPrefix(prefix), let lock = takeLock(of: directory, creating: false) else { continue }
            defer { Glibc.close(lock) }
            if access(directory + "/data/postmaster.pid", F_OK) == 0 {
                var status = stat()
                let owner = stat(directory, &status) == 0 ? status.st_uid : geteuid()
                let user = owner == geteuid() ? nil : getpwuid(owner).map { String(cString: $0.pointee.pw_name) }
                let stop = [binaries + "/pg_ctl"] + stopArguments(directory, mode: "immediate")
                _ = ChildProcess.run(command(stop, as: user), folder: folder, output: "/dev/null")
            }
            _ = ChildProcess.run(["rm", "-rf", directory], folder: folder, output: "/dev/null")
        }
    }
}
