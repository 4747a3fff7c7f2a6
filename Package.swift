// swift-tools-version: 6.1
import PackageDescription

// Dependencies point one way; see docs/ARCHITECTURE.md. A new arrow is a design decision.
let swiftSettings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    // Debug builds, and so the tests, check for exclusive access; release builds do not: the checks of public properties
    // were 7 % of the time a record takes on a backlog, more in small batches.
    .unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release)),
]

func library(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: swiftSettings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency], excluding excluded: [String] = []) -> Target {
    .testTarget(
        name: name, dependencies: dependencies + ["MillraceTestSupport"], exclude: excluded,
        swiftSettings: swiftSettings)
}

let package = Package(
    name: "millrace",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "millrace", targets: ["millrace"]),
        // For Benchmarks.
        .library(name: "MillraceCore", targets: ["MillraceCore"]),
        .library(name: "MillraceRuntime", targets: ["MillraceRuntime"]),
        .library(name: "MillraceFormats", targets: ["MillraceFormats"]),
        .library(name: "MillraceModels", targets: ["MillraceModels"]),
        .library(name: "MillraceKafka", targets: ["MillraceKafka"]),
        .library(name: "MillracePostgres", targets: ["MillracePostgres"]),
        .library(name: "MillraceEngine", targets: ["MillraceEngine"]),
        .library(name: "CLibrdkafka", targets: ["CLibrdkafka"]),
        .library(name: "CLibpq", targets: ["CLibpq"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
    ],
    targets: [
        // C side: module maps and shims, each below its one wrapper.
        .systemLibrary(name: "CLibrdkafka", pkgConfig: "rdkafka", providers: [.apt(["librdkafka-dev"])]),
        .systemLibrary(name: "CLibpq", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
        .target(name: "CSimdJSON", linkerSettings: [.linkedLibrary("simdjson")]),
        .target(name: "CMillraceLinux"),
        // libcurl, found at run time.
        .target(name: "CMillraceCurl", linkerSettings: [.linkedLibrary("dl", .when(platforms: [.linux]))]),

        library("MillraceCore", []),
        library("MillraceSQL", ["MillraceCore"]),
        library("MillracePlanner", ["MillraceSQL", "MillraceCore"]),
        library("MillraceRuntime", ["MillraceCore", "CMillraceLinux"]),
        library("MillraceFormats", ["MillraceRuntime", "MillraceCore", "CSimdJSON"]),
        library("MillraceFiles", ["MillraceRuntime", "MillraceCore"]),
        library("MillraceKafka", ["MillraceRuntime", "MillraceCore", "CLibrdkafka", "CMillraceLinux"]),
        library("MillracePostgres", ["MillraceRuntime", "MillraceCore", "CLibpq"]),
        // Model servers speak JSON, hence the formats.
        library(
            "MillraceModels",
            ["MillraceFormats", "MillraceRuntime", "MillraceCore", "CMillraceCurl", "CMillraceLinux"]),
        library(
            "MillraceObservability",
            ["MillraceRuntime", "MillraceCore", .product(name: "Logging", package: "swift-log")]),
        library(
            "MillraceEngine",
            [
                "MillracePlanner", "MillraceRuntime", "MillraceFormats", "MillraceFiles", "MillraceKafka",
                "MillracePostgres", "MillraceModels", "MillraceObservability", "MillraceCore", "CMillraceLinux",
            ]),
        library(
            "MillraceDemo",
            [
                "MillraceEngine", "MillraceKafka", "MillracePostgres", "MillraceObservability", "MillraceRuntime",
                "MillraceCore",
            ]),
        .executableTarget(
            name: "millrace",
            dependencies: [
                "MillraceDemo", "MillraceEngine", "MillraceRuntime", "MillraceObservability", "MillraceCore",
                "CMillraceLinux",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: swiftSettings),
        library("MillraceTestSupport", ["MillraceRuntime", "MillraceCore"]),

        // Events and answers of Nexmark; its own package, for the command, is in Benchmarks/nexmark.
        .target(name: "Nexmark", path: "Benchmarks/nexmark/Sources/Nexmark", swiftSettings: swiftSettings),
        tests("NexmarkTests", ["MillraceEngine", "MillraceCore", "Nexmark"]),

        tests("MillraceCoreTests", ["MillraceCore"]),
        tests("MillraceSQLTests", ["MillraceSQL"]),
        tests("MillracePlannerTests", ["MillracePlanner"], excluding: ["Golden"]),
        tests("MillraceRuntimeTests", ["MillraceRuntime"]),
        tests("MillraceFormatsTests", ["MillraceFormats"]),
        tests("MillraceFilesTests", ["MillraceFiles", "MillraceFormats"]),
        tests("MillraceKafkaTests", ["MillraceKafka"]),
        tests("MillracePostgresTests", ["MillracePostgres"]),
        tests("MillraceModelsTests", ["MillraceModels"], excluding: ["Fixtures"]),
        tests("MillraceObservabilityTests", ["MillraceObservability"]),
        tests("MillraceEngineTests", ["MillraceEngine", "CMillraceLinux"], excluding: ["Golden", "Functions"]),
        tests("MillraceDemoTests", ["MillraceDemo", "MillraceCore"]),
        tests(
            "IntegrationTests",
            ["MillraceEngine", "MillraceKafka", "MillracePostgres", "MillraceCore", "CLibrdkafka"]),
    ],
    swiftLanguageModes: [.v6],
    cxxLanguageStandard: .cxx17
)
