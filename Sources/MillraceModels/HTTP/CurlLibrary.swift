import CMillraceCurl
import MillraceCore
import Synchronization

/// libcurl, loaded at run time like ONNX Runtime: its dependencies would cost every start several milliseconds.
enum CurlLibrary {
    private static let isLoaded = Mutex(false)
    private static let names = ["libcurl.so.4", "libcurl-gnutls.so.4", "libcurl.so", "libcurl.4.dylib"]

    /// - Throws: `.user` when it is not installed.
    static func load() throws(Diagnostic) {
        let failure: Diagnostic? = isLoaded.withLock { isLoaded in
            if isLoaded { return nil }
            for name in names where millrace_curl_load(name) == 0 {
                isLoaded = true
                return nil
            }
            return Diagnostic(
                "libcurl was not found, which models of provider \"http\" need; tried \(names.joined(separator: ", "))",
                hint: "Install it: apt-get install libcurl4.")
        }
        if let failure { throw failure }
    }
}
