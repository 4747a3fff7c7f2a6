internal import Glibc
internal import MillraceCore

/// Finds the `pipelines` folder: it is beside the sources of a checkout, or installed under `share/millrace`.
enum DemoHome {
    /// Tried in order: `MILLRACE_HOME`, the folders above the executable, `../share/millrace`, the working directory.
    ///
    /// - Throws: `.user` with what was tried.
    static func pipelines(containing file: String) throws(Diagnostic) -> String {
        var candidates: [String] = []
        if let home = getenv("MILLRACE_HOME") { candidates.append(String(cString: home)) }
        var folder = executableFolder()
        candidates.append(folder + "/../share/millrace")
        while folder.count > 1, let slash = folder.lastIndex(of: "/") {
            candidates.append(folder)
            folder = String(folder[..<slash])
        }
        candidates.append(".")
        for candidate in candidates {
            let path = candidate + "/pipelines"
            if access(path + "/" + file, R_OK) == 0 { return path }
        }
        throw Diagnostic(
            "the folder with pipelines/\(file) was not found",
            hint: "Run from the checkout, or set MILLRACE_HOME to the folder that holds pipelines/.")
    }

    /// The path from the root on, however the working directory changes.
    static func absolute(_ path: String) -> String {
        guard !path.hasPrefix("/"), let folder = getcwd(nil, 0) else { return path }
        defer { free(folder) }
        return String(cString: folder) + "/" + path
    }

    private static func executableFolder() -> String {
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/self/exe", &buffer, buffer.count - 1)
        guard count > 0 else { return "." }
        let path = String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
    }
}
