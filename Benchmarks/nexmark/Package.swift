// swift-tools-version: 6.1
import PackageDescription

// Events of Nexmark and the right answers, without Millrace: Scripts/nexmark runs the queries between the two.
let package = Package(
    name: "nexmark",
    platforms: [.macOS(.v15)],
    targets: [
        .target(name: "Nexmark"),
        .executableTarget(name: "nexmark-data", dependencies: ["Nexmark"]),
    ],
    swiftLanguageModes: [.v6]
)
