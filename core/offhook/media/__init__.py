"""Audio and its wire format: conversion, voice activity, playout, files. No thread, no socket."""
