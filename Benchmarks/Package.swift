// swift-tools-version: 6.1
import PackageDescription

// Micro benchmarks of the hot path. A package of its own, so that building Millrace does not build it:
//   swift run -c release --package-path Benchmarks micro
let package = Package(
    name: "millrace-benchmarks",
    platforms: [.macOS(.v15)],
    dependencies: [.package(name: "millrace", path: "..")],
    targets: [
        .target(name: "CAllocationCount"),
        .executableTarget(
            name: "micro",
            dependencies: [
                "CAllocationCount",
                .product(name: "MillraceCore", package: "millrace"),
                .product(name: "MillraceRuntime", package: "millrace"),
                .product(name: "MillraceFormats", package: "millrace"),
                .product(name: "MillraceModels", package: "millrace"),
                .product(name: "MillraceEngine", package: "millrace"),
            ],
            swiftSettings: [
                .enableUpcomingFeature("ExistentialAny"), .enableUpcomingFeature("InternalImportsByDefault"),
                .enableUpcomingFeature("MemberImportVisibility"),
            ]),
    ],
    swiftLanguageModes: [.v6]
)
