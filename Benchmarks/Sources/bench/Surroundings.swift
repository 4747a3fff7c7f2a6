import Glibc
import MillraceCore
import MillracePostgres
import Workloads

/// What a benchmark runs in: a broker, a database of its own, a directory with model and regions. Made once, removed by `close`.
final class Surroundings {
    let bootstrap: String
    let address: DatabaseAddress
    let database: Database
    let directory: String
    let payments = Payments()
    let sales = Sales()
    /// Of each variant of `payments`.
    let scores: [Double]
    let brokerProcess: pid_t?
    let databaseProcess: pid_t?
    let postgresVersion: String

    private var server: PrivatePostgres?
    private var brokerDirectory: String?
    private var admin: (database: Database, name: String)?

    init(bootstrap: String?, database url: String?) throws {
        var template = Array("/tmp/millrace-bench-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Failure("could not create a directory under /tmp") }
        directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let model = TreeModel()
        scores = payments.variants.map { model.score($0.features) }
        var broker: (bootstrap: String, directory: String?)?
        var server: PrivatePostgres?
        var created: (database: Database, name: String)?
        do {
            try ProcFile.write(model.lightGBMText, to: directory + "/model.txt")
            try ProcFile.write(Sales.csv, to: directory + "/regions.csv")
            let found = try bootstrap.map { ($0, nil) } ?? Surroundings.startBroker(directory)
            broker = found
            let address: DatabaseAddress
            if let url {
                address = try DatabaseAddress(url)
            } else {
                let private_ = try Surroundings.startServer()
                server = private_
                address = try DatabaseAddress(private_.tcpURL())
            }
            let admin = try Database(address.keywords)
            guard try admin.text("SHOW track_commit_timestamp") == "on" else {
                throw Failure(
                    "the PostgreSQL server has track_commit_timestamp = off, so the moment at which a row was committed is"
                        + " not known.\nSet it to on and restart the server, or leave out --database for a private one."
                )
            }
            postgresVersion = try admin.text("SHOW server_version") ?? ""
            let name = "millrace_bench_" + unique()
            try admin.run("CREATE DATABASE \(name)")
            created = (admin, name)
            self.address = address.database(name)
            self.bootstrap = found.0
            database = try Database(self.address.keywords)
        } catch {
            created.map { _ = try? $0.database.run("DROP DATABASE \($0.name) WITH (FORCE)") }
            server?.close()
            broker?.directory.map(Surroundings.stopBroker)
            Surroundings.remove(directory)
            if let diagnostic = error as? Diagnostic { throw Failure(diagnostic.rendered(file: "", source: "")) }
            throw error
        }
        self.server = server
        self.brokerDirectory = broker?.directory
        self.admin = created
        brokerProcess = self.bootstrap.split(separator: ":").last.flatMap { Int($0) }.flatMap(ProcessTable.listener)
        databaseProcess = ProcessTable.listener(port: address.port)
    }

    deinit { close() }

    /// Stops what was started and removes what was made. Safe to call twice.
    func close() {
        guard let (database, name) = admin else { return }
        admin = nil
        _ = try? database.run("DROP DATABASE \(name) WITH (FORCE)")
        server?.close()
        brokerDirectory.map(Surroundings.stopBroker)
        Surroundings.remove(directory)
    }

    /// As safe and as fast as a server that people use; what would only disturb a short measurement is off.
    private static func startServer() throws -> PrivatePostgres {
        try PrivatePostgres(settings: [
            ("track_commit_timestamp", "on"), ("shared_buffers", "'512MB'"), ("max_wal_size", "'8GB'"),
            ("checkpoint_timeout", "'30min'"), ("autovacuum", "off"), ("jit", "off"), ("max_connections", "50"),
        ])
    }

    private static let script = Repository.root + "/Scripts/test-broker"

    private static func startBroker(_ directory: String) throws -> (bootstrap: String, directory: String?) {
        let process = try ChildProcess(
            [script, "start", "0", directory + "/broker"], output: directory + "/broker.out",
            errors: directory + "/broker.err")
        guard try process.wait() == 0 else {
            throw Failure("\(script) could not start a broker:\n\(process.lastWords)")
        }
        for line in ProcFile.text(directory + "/broker.out").split(separator: "\n") where line.hasPrefix("bootstrap=") {
            return (String(line.dropFirst("bootstrap=".count)), directory + "/broker")
        }
        throw Failure("\(script) named no broker:\n\(process.lastWords)")
    }

    private static func stopBroker(_ directory: String) {
        let process = try? ChildProcess([script, "stop", directory], output: "/dev/null", errors: "/dev/null")
        _ = process?.poll(waiting: true)
    }

    private static func remove(_ directory: String) {
        let process = try? ChildProcess(["rm", "-rf", directory], output: "/dev/null", errors: "/dev/null")
        _ = process?.poll(waiting: true)
    }
}

/// A name nobody else has.
func unique() -> String { String(UInt64.random(in: 0 ... .max), radix: 36) }

/// Where the sources are that this program was built from.
enum Repository {
    static let root: String = {
        let path = #filePath.split(separator: "/", omittingEmptySubsequences: false)
        return path.dropLast(4).joined(separator: "/")
    }()
}
