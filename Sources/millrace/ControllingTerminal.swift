import Glibc

/// Tells the two meanings of SIGHUP apart: read your files anew, and your terminal is gone.
struct ControllingTerminal {
    private let wasThere = ControllingTerminal.isThere

    /// There was one at the start, and it has been closed.
    var isGone: Bool { wasThere && !ControllingTerminal.isThere }

    private static var isThere: Bool {
        let file = open("/dev/tty", O_RDONLY | O_CLOEXEC | O_NOCTTY)
        if file >= 0 { close(file) }
        return file >= 0
    }
}
