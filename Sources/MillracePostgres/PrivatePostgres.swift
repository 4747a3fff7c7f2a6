import CLibpq
import Glibc
public import MillraceCore

/// A PostgreSQL server of one's own in a temporary directory: for `millrace demo` and tests, not for data worth keeping.
///
/// Listens on a free port of 127.0.0.1 and on a Unix socket in its directory; superuser `postgres`, no password. Run by
/// root, the server runs as user `postgres` (or `nobody`). Gone, data included, with `close`, the last reference, or the
/// end of this process, also by SIGKILL. What is left when the machine fails goes with the next start of one.
public final class PrivatePostgres {
    /// Fast, and still safe against a crash of the server: fsync matters only for a crash of the machine.
    public static let fastSettings: [(name: String, value: String)] = [
        ("fsync", "off"), ("full_page_writes", "off"), ("shared_buffers", "'64MB'"), ("max_connections", "60"),
        ("autovacuum_naptime", "'10s'"), ("max_wal_size", "'512MB'"), ("checkpoint_timeout", "'15min'"),
        ("log_min_messages", "warning"), ("jit", "off"),
    ]

    public let directory: String
    public let port: Int
    private let binaries: String
    /// The user that the server runs as; nil: our own.
    private let user: String?
    private var isRunning = false
    private var isClosed = false
    /// Locked as long as this process lives.
    private let lock: Int32
    private var watchdog: Watchdog?

    /// Creates and starts a server. Takes about two seconds.
    public init(settings: [(name: String, value: String)] = PrivatePostgres.fastSettings) throws(Diagnostic) {
        guard let binaries = PrivatePostgres.findBinaries() else {
            throw Diagnostic(
                "PostgreSQL's server programs (initdb, pg_ctl) were not found under /usr/lib/postgresql or in PATH",
                hint: "Install them, for example with: apt-get install postgresql.", fault: .external)
        }
        self.binaries = binaries
        PrivatePostgres.removeLeftovers(binaries: binaries)
        var template = Array("\(PrivatePostgres.folder)/\(PrivatePostgres.prefix)XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw Diagnostic("could not create a directory under /tmp", hint: "Make /tmp writable.", fault: .external)
        }
        directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        lock = PrivatePostgres.takeLock(of: directory, creating: true) ?? -1
        var owner: String?
        if geteuid() == 0 {
            for name in ["postgres", "nobody"] where owner == nil {
                guard let entry = getpwnam(name) else { continue }
                chown(directory, entry.pointee.pw_uid, entry.pointee.pw_gid)
                owner = name
            }
        }
        user = owner
        chmod(directory, 0o755)
        port = PrivatePostgres.freePort()
        // Before anything is started.
        watchdog = Watchdog(
            stop: PrivatePostgres.command(
                [binaries + "/pg_ctl"] + PrivatePostgres.stopArguments(directory, mode: "immediate"), as: user),
            remove: directory)
        let data = directory + "/data"
        let code = run(
            binaries + "/initdb",
            [
                "-D", data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-locale", "--no-sync",
                "--no-instructions",
            ])
        guard code == 0 else { throw failure("initdb failed") }
        var text = "\n"
        for setting in settings { text += "\(setting.name) = \(setting.value)\n" }
        text += "port = \(port)\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '\(directory)'\n"
        guard let file = fopen(data + "/postgresql.conf", "a") else {
            throw failure("could not write the configuration")
        }
        fputs(text, file)
        fclose(file)
        try start()
    }

    deinit { close() }

    /// An address of a database of this server, over its Unix socket.
    public func url(database: String = "postgres") -> String {
        let host = directory.split(separator: "/", omittingEmptySubsequences: false).joined(separator: "%2F")
        return "postgresql://postgres@\(host):\(port)/\(database)"
    }

    /// The same over TCP, as other programs take it.
    public func tcpURL(database: String = "postgres") -> String {
        "postgresql://postgres@127.0.0.1:\(port)/\(database)"
    }

    public func createDatabase(_ name: String) throws(Diagnostic) {
        try PostgresCommand.run(address: PostgresAddress(url: url()), "CREATE DATABASE \(name.quotedIdentifier)")
    }

    /// Starts the server again after `stop`.
    public func start() throws(Diagnostic) {
        let code = run(
            binaries + "/pg_ctl",
            ["start", "-s", "-w", "-t", "60", "-D", directory + "/data", "-l", directory + "/server.log"])
        guard code == 0 else { throw failure("the private PostgreSQL server did not start") }
        isRunning = true
    }

    /// - Parameter immediately: as after a crash: no shutdown checkpoint, recovery at the next start.
    public func stop(immediately: Bool = false) {
        guard isRunning else { return }
        _ = run(
            binaries + "/pg_ctl", PrivatePostgres.stopArguments(directory, mode: immediately ? "immediate" : "fast"))
        isRunning = false
    }

    static func stopArguments(_ directory: String, mode: String) -> [String] {
        ["stop", "-s", "-w", "-D", directory + "/data", "-m", mode]
    }

    /// Stops the server and removes its directory. Safe to call twice.
    public func close() {
        guard !isClosed else { return }
        isClosed = true
        watchdog?.callIn()
        if lock >= 0 { Glibc.close(lock) }
    }

    private func failure(_ message: String) -> Diagnostic {
        Diagnostic(
            message, hint: "Its messages are in \(directory)/server.log and \(directory)/commands.log.",
            fault: .external)
    }

    private func run(_ program: String, _ arguments: [String]) -> Int32 {
        let command = PrivatePostgres.command([program] + arguments, as: user)
        return ChildProcess.run(command, folder: directory, output: directory + "/commands.log")
    }

    /// The command as another user runs it; nil: ourselves.
    static func command(_ command: [String], as user: String?) -> [String] {
        user.map { ["runuser", "-u", $0, "--"] + command } ?? command
    }

    /// The newest version under /usr/lib/postgresql, else the directory in PATH that has `initdb`.
    private static func findBinaries() -> String? {
        var best: (version: Int, path: String)?
        if let handle = opendir("/usr/lib/postgresql") {
            defer { closedir(handle) }
            while let entry = readdir(handle) {
                let name = withUnsafePointer(to: &entry.pointee.d_name) {
                    $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                }
                let path = "/usr/lib/postgresql/\(name)/bin"
                guard let version = Int(name), hasServer(path), version > best?.version ?? 0 else { continue }
                best = (version, path)
            }
        }
        if let best { return best.path }
        let path = getenv("PATH").map { String(cString: $0) } ?? ""
        return path.split(separator: ":").map(String.init).first(where: hasServer)
    }

    private static func hasServer(_ path: String) -> Bool {
        access(path + "/initdb", X_OK) == 0 && access(path + "/pg_ctl", X_OK) == 0
    }

    private static func freePort() -> Int {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { Glibc.close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length)
                getsockname(descriptor, $0, &length)
            }
        }
        return Int(UInt16(bigEndian: address.sin_port))
    }
}

/// Single statements outside any session: set-up and inspection, tests and the demo.
public enum PostgresCommand {
    /// Runs SQL and returns the rows as text (NULL is nil). Waits; connects anew each time.
    @discardableResult
    public static func run(address: PostgresAddress, _ sql: String) throws(Diagnostic) -> [[String?]] {
        let connection = try Connection.connect(address)
        do {
            let result = try connection.run(sql)
            let columns = result.columns
            return (0..<result.rows).map { row in (0..<columns).map { result.text(row, $0) } }
        } catch {
            throw error.diagnostic("statement failed")
        }
    }
}
